"""The migrations of the database, which Alembic runs: `puna db migrate`."""
