"""How an upstream speaks: a request becomes bytes, bytes become an answer. No socket, no clock."""
