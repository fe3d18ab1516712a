# Two subnets with no route out. AWS's own services are reached through endpoints, so no NAT gateway is needed.

resource "aws_vpc" "this" {
  # checkov:skip=CKV2_AWS_11:flow logs cost more than all else here, and there is no way out to watch
  cidr_block           = var.cidr
  enable_dns_support   = true
  enable_dns_hostnames = true # or the endpoints' names would lead to the internet

  tags = { Name = var.name }
}

# nobody is to use it by mistake
resource "aws_default_security_group" "this" {
  vpc_id = aws_vpc.this.id
}

resource "aws_subnet" "private" {
  for_each = { for number, zone in var.zones : "${var.region}${zone}" => number }

  vpc_id            = aws_vpc.this.id
  availability_zone = each.key
  cidr_block        = cidrsubnet(var.cidr, 8, each.value)

  tags = { Name = "${var.name}-private-${each.key}" }
}

resource "aws_route_table" "private" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-private" }
}

resource "aws_route_table_association" "private" {
  for_each = aws_subnet.private

  subnet_id      = each.value.id
  route_table_id = aws_route_table.private.id
}

# free, and the way that all rows take
resource "aws_vpc_endpoint" "s3" {
  vpc_id            = aws_vpc.this.id
  service_name      = "com.amazonaws.${var.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [aws_route_table.private.id]

  tags = { Name = "${var.name}-s3" }
}

# The stages ask Secrets Manager for the databases' addresses; their logs and metrics do not pass the network.
resource "aws_vpc_endpoint" "secrets" {
  vpc_id              = aws_vpc.this.id
  service_name        = "com.amazonaws.${var.region}.secretsmanager"
  vpc_endpoint_type   = "Interface"
  subnet_ids          = [for subnet in aws_subnet.private : subnet.id]
  security_group_ids  = [aws_security_group.endpoints.id]
  private_dns_enabled = true

  tags = { Name = "${var.name}-secrets" }
}

resource "aws_security_group" "stages" {
  # checkov:skip=CKV2_AWS_5:the functions, which are of another configuration, are attached to it
  name        = "${var.name}-stages"
  description = "The pipeline's functions"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.name}-stages" }
}

resource "aws_security_group" "warehouse" {
  name        = "${var.name}-warehouse"
  description = "The warehouse"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.name}-warehouse" }
}

resource "aws_security_group" "endpoints" {
  name        = "${var.name}-endpoints"
  description = "The endpoints of AWS services"
  vpc_id      = aws_vpc.this.id

  tags = { Name = "${var.name}-endpoints" }
}

resource "aws_vpc_security_group_ingress_rule" "warehouse_from_stages" {
  security_group_id            = aws_security_group.warehouse.id
  referenced_security_group_id = aws_security_group.stages.id
  description                  = "PostgreSQL, from the functions alone"
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

resource "aws_vpc_security_group_ingress_rule" "endpoints_from_stages" {
  security_group_id            = aws_security_group.endpoints.id
  referenced_security_group_id = aws_security_group.stages.id
  description                  = "HTTPS, from the functions alone"
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_egress_rule" "stages_to_warehouse" {
  security_group_id            = aws_security_group.stages.id
  referenced_security_group_id = aws_security_group.warehouse.id
  description                  = "PostgreSQL"
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

resource "aws_vpc_security_group_egress_rule" "stages_to_endpoints" {
  security_group_id            = aws_security_group.stages.id
  referenced_security_group_id = aws_security_group.endpoints.id
  description                  = "Secrets Manager"
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_egress_rule" "stages_to_s3" {
  security_group_id = aws_security_group.stages.id
  prefix_list_id    = aws_vpc_endpoint.s3.prefix_list_id
  description       = "S3, through its endpoint"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}
