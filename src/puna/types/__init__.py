"""The public types and the requests that travel between the layers."""
