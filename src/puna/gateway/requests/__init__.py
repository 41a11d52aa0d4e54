"""What clients sent: bodies, encodings, hosts, pages, options of a request."""
