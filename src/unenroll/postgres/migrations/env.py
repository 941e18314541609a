"""Alembic runs this module. It runs the migrations over the connection that `postgres.migrate` has opened."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transaction_per_migration=True)
with context.begin_transaction():
    context.run_migrations()
