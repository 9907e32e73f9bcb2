"""`syncd demo`: every organisation's configuration is one that syncd takes, and the whole of it runs."""

import json
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from syncd.cli import demo
from syncd.cli.demo_worlds import organisations
from syncd.config.catalog import Catalog
from syncd.config.loader import load


def test_the_organisations_are_those_of_three_providers() -> None:
    assert [one.provider for one in organisations(2)] == ["google", "microsoft", "zoho"]


def test_secrets_stand_in_files_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    with ExitStack() as stack:
        for one in organisations(2):
            one.serve(stack)
            one.configure(tmp_path)
            settings = one.settings(one.url)
            written = (tmp_path / "config" / f"{one.provider}.yaml").read_text()
            assert one.secrets
            for name in one.secrets:
                file = tmp_path / f"{one.provider}-{name}"
                assert (file.read_text(), file.stat().st_mode & 0o777) == (settings[name], 0o600)
                assert json.dumps(settings[name]) not in written
                assert str(file) in written


def test_the_daemon_that_stays_has_a_door_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setattr(demo, "USUAL_PORT", taken.getsockname()[1])
        (tmp_path / "config").mkdir()
        address, token = demo._open_door(tmp_path)
        assert address.startswith("127.0.0.1:")
        assert address != f"127.0.0.1:{demo.USUAL_PORT}"
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    loaded = load(tmp_path / "config", Catalog())
    assert loaded.config is not None
    assert loaded.config.daemon.listen == address
    assert loaded.config.daemon.token is not None
    assert loaded.config.daemon.token.reveal() == token


def test_the_demo_mirrors_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "PEOPLE", 6)
    monkeypatch.setattr(demo, "EDITS", 12)
    assert demo.run_demo(keep=False) == 0
    said = capsys.readouterr().out
    history = said[said.index("history") :]
    for name in ("google-mirror", "microsoft-mirror", "zoho-mirror"):
        assert history.count(name) >= 4
    assert "failed" not in said
    assert "partial" not in said
    with pytest.raises(demo.ControlError, match="was not made by the demo"):
        _again_where_somebody_works(tmp_path)


def _again_where_somebody_works(folder: Path) -> None:
    (folder / "syncd-demo" / demo.MARKER).unlink()
    demo.run_demo(keep=False)
