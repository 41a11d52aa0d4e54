"""The server's edge: connections of clients, their protocol and their limits."""
