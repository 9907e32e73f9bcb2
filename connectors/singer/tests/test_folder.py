"""The private folder of a tap, and what a crash has left."""

import os
import tempfile
from pathlib import Path

import pytest
from syncd_singer.folder import PREFIX, private_folder


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_what_a_crash_left_goes_and_what_is_in_use_stays(tmp_path: Path) -> None:
    left = tmp_path / f"{PREFIX}left"
    left.mkdir()
    (left / "config.json").write_text("{}")
    with private_folder() as first, private_folder() as second:
        assert not left.exists()
        assert first.path.is_dir()
        assert second.path.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_another_process_removes_meanwhile_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / f"{PREFIX}gone"
    monkeypatch.setattr(Path, "glob", lambda base, pattern: iter([gone]))
    with private_folder() as folder:
        assert os.path.isdir(folder.path)
