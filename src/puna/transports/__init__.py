"""The only code that opens sockets: each transport sends a request and returns its reply."""
