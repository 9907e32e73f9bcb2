"""Alembic's environment: runs on the connection that `syncd.store.migrate` hands over, inside its transaction."""

from alembic import context

from syncd.store.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
    transactional_ddl=False,  # the transaction is the caller's
)
context.run_migrations()
