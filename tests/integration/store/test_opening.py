"""Opening the store: migrations, permissions, what is refused, restarts."""

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from syncd.sdk import Record, SystemClock
from syncd.store import NewerSchema, StoreFailed, StoreUnusable, open_store
from syncd.store.migrate import HEAD, KNOWN

CLOCK = SystemClock()


def test_migrations_make_what_the_tables_declare(template: Path) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from sqlalchemy import create_engine

    from syncd.store.tables import METADATA

    engine = create_engine(f"sqlite:///{template / 'syncd.db'}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    engine.dispose()


def test_head_is_the_newest_migration() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    import syncd.store.migrate as migrate

    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [HEAD]
    assert {script.revision for script in scripts.walk_revisions()} == set(KNOWN)


def test_an_up_to_date_database_opens_without_alembic(template: Path) -> None:
    script = (
        "import sys, pathlib; from syncd.sdk import SystemClock; from syncd.store import open_store;"
        f" open_store(pathlib.Path({str(template)!r}), SystemClock()).close(); print('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_database_is_private(template: Path) -> None:
    assert stat.S_IMODE((template / "syncd.db").stat().st_mode) == 0o600


@pytest.mark.parametrize("keys", [()], ids=["clear"])
def test_a_newer_schema_is_refused_and_left_alone(desk: Any) -> None:
    desk.store.close()
    with sqlite3.connect(desk.folder / "syncd.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(NewerSchema) as caught:
        open_store(desk.folder, CLOCK)
    assert "9999" in str(caught.value)
    assert caught.value.code == "SYN-STATE-002"


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "syncd.db").write_bytes(b"not a database at all, but long enough to be looked at" * 100)
    with pytest.raises(StoreUnusable):
        open_store(tmp_path, CLOCK)


def test_a_state_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(StoreUnusable):
        open_store(tmp_path / "state", CLOCK)
    with pytest.raises(StoreUnusable):
        open_store(tmp_path / "state" / "below", CLOCK)


def test_a_database_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "syncd.db").mkdir()
    with pytest.raises(StoreUnusable):
        open_store(tmp_path, CLOCK)


def test_other_databases_are_not_there_yet(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable) as caught:
        open_store(tmp_path, CLOCK, "postgresql+psycopg://user:secret@host/db")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("keys", [()], ids=["clear"])
def test_a_reader_makes_nothing_and_writes_nothing(desk: Any, record: Any, tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable):
        open_store(tmp_path / "none", CLOCK, read_only=True)
    assert not (tmp_path / "none").exists()
    desk.full(desk.part(), record("a"))
    reader = open_store(desk.folder, CLOCK, read_only=True)
    assert len(list(reader.records("acme", "contacts"))) == 1
    with pytest.raises(StoreFailed):
        desk.run(reader.heartbeat(desk.now()))
    desk.delta(desk.part(), record("b"))
    assert len(list(reader.records("acme", "contacts"))) == 2
    reader.close()


def test_everything_is_there_after_reopening(desk: Any, record: Any) -> None:
    part = desk.part()
    desk.full(part, record("a"), record("b"))
    before = desk.records()
    desk.reopen()
    assert desk.records() == before
    desk.begin()
    assert desk.state(part).cursor == "b"


def test_a_reboot_leaves_a_gap_in_seq(desk: Any, record: Any) -> None:
    """A power cut may take numbers that a reader of the feed has seen: they are never given out again."""
    part = desk.part()
    desk.full(part, record("a"))
    desk.run(desk.store._write(lambda tx: tx.run("UPDATE meta SET value = 'an earlier boot'")))
    desk.reopen()
    desk.reopen()
    desk.begin()
    desk.delta(part, record("b"))
    assert [one["seq"] for one in desk.store.records("acme", "contacts")] == [1, 1_000_002]


def test_a_closed_store_says_so(desk: Any) -> None:
    desk.store.close()
    desk.store.close()
    with pytest.raises(StoreFailed):
        desk.run(desk.store.heartbeat(desk.now()))


def test_a_full_disk_fails_the_page_and_nothing_else(desk: Any, record: Any) -> None:
    part = desk.part()
    desk.full(part, record("a"))
    rnd = desk.open(part)
    limit = desk.sql("PRAGMA page_count")[0][0]
    desk.run(desk.store._write(lambda tx: tx.rows(f"PRAGMA max_page_count = {limit}")))
    large = [Record(f"r{n}", {"x": "y" * 5000}) for n in range(50)]
    with pytest.raises(StoreFailed) as caught:
        desk.apply(rnd, *large, resume=1)
    assert "full" in str(caught.value)
    assert "yyyy" not in str(caught.value)
    assert desk.ids() == {"a"}
    desk.run(desk.store._write(lambda tx: tx.rows("PRAGMA max_page_count = 1000000")))
    assert desk.apply(rnd, *large, resume=1).counts.new == 50


def test_the_umask_does_not_matter(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        store = open_store(tmp_path / "state", CLOCK)
        mode = stat.S_IMODE((tmp_path / "state").stat().st_mode)
        inside = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "state").glob("syncd.db*")]
        store.close()
    finally:
        os.umask(old)
    assert mode == 0o750
    assert set(inside) == {0o600}
