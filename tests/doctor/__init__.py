"""What `starlift doctor` finds, at real databases and lakes."""
