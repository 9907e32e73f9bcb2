"""`syncd demo`: every organisation's configuration is one that syncd takes, and the whole of it runs."""

import json
from contextlib import ExitStack
from pathlib import Path

import pytest

from syncd.cli import demo
from syncd.cli.demo_worlds import organisations


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
