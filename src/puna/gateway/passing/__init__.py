"""Calls whose bodies and replies pass as bytes, driven by callbacks."""
