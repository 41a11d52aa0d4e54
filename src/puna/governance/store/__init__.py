"""Stores for responses that later requests refer to. Each key sees only what it made itself."""
