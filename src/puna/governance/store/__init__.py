"""Where the gateway keeps what outlives a request. Each key sees only what it made."""
