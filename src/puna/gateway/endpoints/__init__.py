"""The table of endpoints, and what each of them does."""
