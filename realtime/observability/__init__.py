"""What an operator sees of a server: log records, metrics and traces."""
