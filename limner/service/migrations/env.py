"""Runs the migrations on the connection that `limner.service.database` hands over."""

from alembic import context

from limner.service.schema import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
