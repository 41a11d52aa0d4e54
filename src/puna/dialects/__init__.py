"""Wire protocols of hosts: serialize requests, parse replies and streams. No socket, no clock."""
