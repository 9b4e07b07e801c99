"""Alembic's migrations of the service's database, run at every start."""
