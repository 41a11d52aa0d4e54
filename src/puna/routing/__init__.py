"""Which deployment is asked next. Pure: time and dice are arguments."""
