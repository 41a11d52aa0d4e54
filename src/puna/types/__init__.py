"""The values that callers see and that travel between the layers: wire types and requests."""
