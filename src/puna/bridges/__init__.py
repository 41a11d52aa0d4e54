"""Conversions between request shapes. Chat is the hub.

Other shapes are converted to and from it.
"""
