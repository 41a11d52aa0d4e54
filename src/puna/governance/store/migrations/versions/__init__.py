"""One file for each migration. They are never changed: a database may have seen them."""
