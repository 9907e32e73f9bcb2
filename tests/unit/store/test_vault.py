"""The file that a connection's sign-in keeps."""

import os
import stat
from pathlib import Path

import pytest

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


def names(state: Path) -> list[str]:
    return sorted(path.name for path in (state / "credentials").iterdir())


def test_a_connection_renamed_and_renamed_back_keeps_what_was_saved_last(tmp_path: Path) -> None:
    vault = vaults(tmp_path)
    vault("acme", None).save({"a": 1})
    vault("acme2", "acme").save({"a": 2})
    assert names(tmp_path) == ["acme2.json"]
    assert vault("acme", "acme2").load() == {"a": 2}


def test_another_connection_of_the_former_name_finds_nothing(tmp_path: Path) -> None:
    vault = vaults(tmp_path)
    vault("acme", None).save({"a": 1})
    assert vault("acme2", "acme").load() == {"a": 1}
    assert vault("acme", None).load() == {}
    assert vault("acme2", None).load() == {"a": 1}


def kill_before_the_former_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(path: Path, missing_ok: bool = False) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "unlink", killed)


def test_of_two_files_that_a_crash_has_left_the_later_one_counts_whatever_the_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = vaults(tmp_path)
    vault("acme", None).save({"a": 1})
    with monkeypatch.context() as patch:
        kill_before_the_former_goes(patch)
        with pytest.raises(KeyboardInterrupt):
            vault("acme2", "acme").save({"a": 2})
    assert names(tmp_path) == ["acme.json", "acme2.json"]
    for path in (tmp_path / "credentials").iterdir():
        os.utime(path, (0, 0))  # the clock says nothing
    assert vault("acme", "acme2").load() == {"a": 2}
    assert names(tmp_path) == ["acme.json"]


def test_a_takeover_that_is_cut_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vault = vaults(tmp_path)
    vault("acme", None).save({"a": 1})
    with monkeypatch.context() as patch:
        kill_before_the_former_goes(patch)
        with pytest.raises(KeyboardInterrupt):
            vault("acme2", "acme").load()
    assert vault("acme2", "acme").load() == {"a": 1}
    assert names(tmp_path) == ["acme2.json"]


def test_what_a_run_saves_under_the_previous_name_after_the_renaming_counts(tmp_path: Path) -> None:
    vault = vaults(tmp_path)
    before = vault("acme", None)
    before.save({"a": 1})
    after = vault("acme2", "acme")
    assert after.load() == {"a": 1}
    before.save({"a": 2})
    assert after.load() == {"a": 2}
    after.save({"a": 3})
    assert names(tmp_path) == ["acme2.json"]


def test_nothing_is_written_over_what_cannot_be_read(tmp_path: Path) -> None:
    vault = vaults(tmp_path)
    vault("acme", None).save({"a": 1})
    (tmp_path / "credentials" / "acme2.json").write_text("sealed under a key that is not here")
    assert vault("acme2", "acme").load() == {"a": 1}
    assert names(tmp_path) == ["acme.json", "acme2.json"]
    assert (tmp_path / "credentials" / "acme2.json").read_text().startswith("sealed")


def test_a_file_of_before_there_were_numbers_is_read(tmp_path: Path) -> None:
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "acme.json").write_text('{"a": 1}')
    vault = vaults(tmp_path)
    assert vault("acme", None).load() == {"a": 1}
    assert vault("acme2", "acme").load() == {"a": 1}


def test_a_name_is_never_a_path(tmp_path: Path) -> None:
    vaults(tmp_path)("../evil", None).save({})
    vaults(tmp_path)("..", None).save({})
    assert len(list((tmp_path / "credentials").iterdir())) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["credentials"]
