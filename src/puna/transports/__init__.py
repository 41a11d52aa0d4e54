"""The only code that opens sockets: each transport carries a request and brings its reply."""
