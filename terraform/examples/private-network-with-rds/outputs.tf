output "variables" {
  description = "Add this to terraform/terraform.tfvars: it puts the functions into this network."
  value       = <<-TEXT
    network = {
      subnet_ids         = ${jsonencode([for subnet in aws_subnet.private : subnet.id])}
      security_group_ids = ${jsonencode([aws_security_group.stages.id])}
    }
  TEXT
}

output "warehouse" {
  description = "The address for the secret of the warehouse. The owner's password is in the secret that RDS keeps; sql/roles/warehouse.sql makes the user of the pipeline, whose password you choose."
  value = {
    host         = aws_db_instance.warehouse.address
    port         = 5432
    dbname       = aws_db_instance.warehouse.db_name
    sslrootcert  = "/var/task/certs/ca.pem" # of the package, made with `make package CA_BUNDLE=global-bundle.pem`
    owner_secret = one(aws_db_instance.warehouse.master_user_secret[*].secret_arn)
  }
}
