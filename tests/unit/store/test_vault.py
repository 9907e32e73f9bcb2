"""The file that a connection's sign-in keeps."""

import stat
from pathlib import Path

from syncd.store import vaults


def test_what_was_saved_is_there_for_the_next_process_readable_by_its_owner_only(tmp_path: Path) -> None:
    vaults(tmp_path)("acme", None).save({"refresh_token": "new"})
    assert vaults(tmp_path)("acme", None).load() == {"refresh_token": "new"}
    (file,) = (tmp_path / "credentials").iterdir()
    assert file.name == "acme.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_nothing_saved_or_a_damaged_file_is_nothing_kept(tmp_path: Path) -> None:
    vault = vaults(tmp_path)("acme", None)
    assert vault.load() == {}
    vault.save({"a": 1})
    (tmp_path / "credentials" / "acme.json").write_text("{")
    assert vault.load() == {}


def test_a_renamed_connection_finds_what_it_kept(tmp_path: Path) -> None:
    vaults(tmp_path)("old", None).save({"a": 1})
    renamed = vaults(tmp_path)("new", "old")
    assert renamed.load() == {"a": 1}
    renamed.save({"a": 2})
    assert vaults(tmp_path)("new", "old").load() == {"a": 2}


def test_a_name_is_never_a_path(tmp_path: Path) -> None:
    vaults(tmp_path)("../evil", None).save({})
    vaults(tmp_path)("..", None).save({})
    assert len(list((tmp_path / "credentials").iterdir())) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["credentials"]
