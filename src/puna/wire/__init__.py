"""Parses and serializes bytes of HTTP, events and JSON, without a socket."""
