"""Alembic's environment and the migrations, run by `syncd.store.migrate`."""
