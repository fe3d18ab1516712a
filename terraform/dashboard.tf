# What an on-call engineer looks at first: is the star fresh, which alarm is on, where does it stand still.

locals {
  dashboard_url = "https://${var.region}.console.aws.amazon.com/cloudwatch/home?region=${var.region}#dashboards/dashboard/${var.name}"

  stages = { for stage in [module.extract, module.transform, module.load, module.reconcile] : stage.function.name => stage }

  all_alarms = concat(
    [module.freshness.arn],
    [for name, alarm in module.waiting : alarm.arn],
    flatten([for name, stage in local.stages : stage.alarms]),
    module.transform_queue.alarms,
    module.load_queue.alarms,
    [module.undelivered.arn],
  )

  own = var.name # the namespace of the pipeline's own metrics

  # rows of the dashboard from top to bottom: each has widgets side by side
  graphs = [
    [
      {
        title   = "How old is the star? (alarm above half an hour)"
        metrics = [[local.own, "FreshnessSeconds", "service", "load", { stat = "Maximum", label = "seconds behind the source" }]]
        line    = { label = "alarm", value = 1800 }
      },
      {
        title = "How old is the oldest batch on its way?"
        metrics = [
          for stage in ["transform", "load"] :
          [local.own, "BatchAgeSeconds", "service", stage, { stat = "Maximum", label = stage }]
        ]
        line = null
      },
    ],
    [
      {
        title = "Rows"
        metrics = [
          for stage in ["extract", "transform", "load"] : [local.own, "Rows", "service", stage, { stat = "Sum", label = stage }]
        ]
        line = null
      },
      {
        title = "What waits for a person"
        metrics = [
          for name, alarm in local.waiting : [local.own, alarm.metric, "service", alarm.service, { stat = "Maximum", label = name }]
        ]
        line = null
      },
    ],
    [
      {
        title = "Seconds of an invocation"
        metrics = [
          for name, stage in local.stages : [local.own, "StageSeconds", "service", trimprefix(name, "${var.name}-"), { stat = "Maximum", label = trimprefix(name, "${var.name}-") }]
        ]
        line = null
      },
      {
        title = "Failed invocations, and such as were not let run"
        metrics = concat(
          [for name, stage in local.stages : ["AWS/Lambda", "Errors", "FunctionName", name, { stat = "Sum", label = "${name} failed" }]],
          [for name, stage in local.stages : ["AWS/Lambda", "Throttles", "FunctionName", name, { stat = "Sum", label = "${name} throttled" }]],
        )
        line = null
      },
    ],
    [
      {
        title = "Age of the oldest message (seconds)"
        metrics = [
          for queue in [module.transform_queue, module.load_queue] : ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", queue.name, { stat = "Maximum", label = queue.name }]
        ]
        line = { label = "alarm", value = 1800 }
      },
      {
        title = "Messages in dead-letter queues"
        metrics = [
          for queue in [module.transform_queue.dead.name, module.load_queue.dead.name, aws_sqs_queue.undelivered.name] :
          ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queue, { stat = "Maximum", label = queue }]
        ]
        line = null
      },
    ],
  ]

  widgets = concat(
    [
      {
        type       = "alarm"
        x          = 0
        y          = 0
        width      = 24
        height     = 4
        properties = { title = "Alarms. What each means and what to do: ${var.runbook}", alarms = local.all_alarms }
      },
    ],
    flatten([
      for row, pair in local.graphs : [
        for column, graph in pair : {
          type   = "metric"
          x      = column * 12
          y      = 4 + row * 6
          width  = 12
          height = 6
          properties = merge(
            {
              title   = graph.title
              region  = var.region
              view    = "timeSeries"
              period  = 300
              metrics = graph.metrics
              yAxis   = { left = { min = 0 } }
            },
            graph.line == null ? {} : { annotations = { horizontal = [graph.line] } },
          )
        }
      ]
    ]),
    [
      {
        type   = "log"
        x      = 0
        y      = 28
        width  = 24
        height = 6
        properties = {
          title  = "What went wrong last"
          region = var.region
          view   = "table"
          query = join("", concat(
            [for name, stage in local.stages : "SOURCE '${stage.log_group}' | "],
            ["fields @timestamp, service, run_id, message, hint | filter level in ['WARNING', 'ERROR', 'CRITICAL'] | sort @timestamp desc | limit 20"],
          ))
        }
      },
    ],
  )
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name
  dashboard_body = jsonencode({ widgets = local.widgets })
}
