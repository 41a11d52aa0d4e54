"""Bytes and values of the wire, without a socket."""
