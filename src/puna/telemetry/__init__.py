"""What happened, told to whoever listens. Listeners observe and cannot break a call."""
