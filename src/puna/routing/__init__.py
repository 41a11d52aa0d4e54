"""Decides which deployment is asked next. Pure: time and random numbers are arguments."""
