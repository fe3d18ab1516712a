# The warehouse: encrypted, reached over TLS by the pipeline alone, with backups, hard to delete.

resource "aws_db_subnet_group" "this" {
  name       = "${var.name}-warehouse"
  subnet_ids = [for subnet in aws_subnet.private : subnet.id]
}

resource "aws_db_parameter_group" "this" {
  name        = "${var.name}-warehouse"
  family      = "postgres17"
  description = "TLS or nothing; what changes the schema, and what is slow, is logged"

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }

  parameter {
    name  = "log_statement"
    value = "ddl" # never the rows
  }

  parameter {
    name  = "log_min_duration_statement"
    value = "60000"
  }

  parameter {
    name  = "log_parameter_max_length"
    value = "0" # nor what is in them
  }
}

resource "aws_db_instance" "warehouse" {
  # checkov:skip=CKV_AWS_157:a second instance doubles the price; readers wait minutes at most, and the star can be made again
  # checkov:skip=CKV_AWS_353:the ledger says how long each load took, and the log what was slow
  # checkov:skip=CKV_AWS_118:CloudWatch's metrics of every minute do for a batch every five
  identifier     = "${var.name}-warehouse"
  engine         = "postgres"
  engine_version = "17"
  instance_class = var.instance_class

  db_name                     = "warehouse"
  username                    = "starlift_owner"
  manage_master_user_password = true # RDS makes the password, keeps it in Secrets Manager and changes it

  allocated_storage     = 20
  max_allocated_storage = 200
  storage_type          = "gp3"
  storage_encrypted     = true

  db_subnet_group_name   = aws_db_subnet_group.this.name
  vpc_security_group_ids = [aws_security_group.warehouse.id]
  parameter_group_name   = aws_db_parameter_group.this.name
  publicly_accessible    = false

  backup_retention_period   = 14
  copy_tags_to_snapshot     = true
  deletion_protection       = true
  skip_final_snapshot       = false
  final_snapshot_identifier = "${var.name}-warehouse-last"

  auto_minor_version_upgrade      = true
  enabled_cloudwatch_logs_exports = ["postgresql", "upgrade"]

  # for people: an analyst needs no password then
  iam_database_authentication_enabled = true
}
