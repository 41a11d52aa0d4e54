"""The providers: each is a row of facts, and only this package knows their names."""
