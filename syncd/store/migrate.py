"""Bringing a database to this version's schema.

Public: upgrade, known_version, HEAD. Migrations stand in migrations/versions and run from the package, without an alembic.ini.

Importing Alembic takes more than a second: it is left out when the database is at HEAD already.
"""

from pathlib import Path

from sqlalchemy import Connection, inspect

from .errors import NewerSchema, StoreUnusable

__all__ = ["HEAD", "KNOWN", "known_version", "upgrade"]

KNOWN = ("0001",)
HEAD = KNOWN[-1]


def upgrade(connection: Connection, *, allowed: bool = True) -> None:
    """Migrate to HEAD in one transaction. Raises NewerSchema for a schema that only a newer syncd knows."""
    version = known_version(connection)
    if version == HEAD:
        return
    if not allowed:
        raise StoreUnusable(f"the database has schema {version}, and may not be migrated to {HEAD} by a reader")
    _run(connection)


def known_version(connection: Connection) -> str | None:
    """The schema of the database, None for a new one. Raises NewerSchema."""
    version = _version(connection)
    if version is not None and version not in KNOWN:
        raise NewerSchema(
            f"the database has schema {version}, this syncd knows up to {HEAD}", hint="install the newer syncd again"
        )
    return version


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    row = connection.exec_driver_sql("SELECT version_num FROM alembic_version").first()
    return None if row is None else str(row[0])


def _run(connection: Connection) -> None:
    from alembic import command  # late: 1.4 seconds
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.dialect.name == "sqlite" else "BEGIN")
    try:
        if _version(connection) != HEAD:  # another process may have done it while this one waited
            command.upgrade(config, HEAD)
        connection.exec_driver_sql("COMMIT")
    except BaseException:
        connection.exec_driver_sql("ROLLBACK")
        raise
