"""Lines for the operator: the access log, their format, their way out."""
