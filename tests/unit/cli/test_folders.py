"""Where the configuration and the state are found, in the contract's order."""

import os
from pathlib import Path

import pytest

from syncd.cli.folders import config_folder, socket_path, state_folder
from syncd.control.errors import ControlError


def test_the_option_wins_over_the_variable(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    env = {"SYNCD_CONFIG": str(tmp_path / "b"), "SYNCD_STATE": str(tmp_path / "b"), "STATE_DIRECTORY": "/s"}
    assert config_folder(str(tmp_path / "a"), env) == tmp_path / "a"
    assert config_folder(None, env) == tmp_path / "b"
    assert state_folder(str(tmp_path / "a"), env) == tmp_path / "a"
    assert state_folder(None, env) == tmp_path / "b"


def test_the_system_folder_comes_before_the_local_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "etc").mkdir()
    assert config_folder(None, {}, tmp_path / "etc") == tmp_path / "etc"
    assert config_folder(None, {}, tmp_path / "nowhere") == Path("config")


def test_state_order(tmp_path: Path) -> None:
    system = tmp_path / "var"
    home = {"HOME": str(tmp_path / "home")}
    assert state_folder(None, {"STATE_DIRECTORY": "/run/a:/run/b"}, system) == Path("/run/a")
    assert state_folder(None, home, system) == tmp_path / "home/.local/state/syncd"
    assert state_folder(None, {**home, "XDG_STATE_HOME": "/x"}, system) == Path("/x/syncd")
    system.mkdir()
    assert state_folder(None, home, system) == system


def test_an_unreadable_system_state_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ControlError, match="cannot be read") as caught:
        state_folder(None, {}, tmp_path)
    assert caught.value.exit_code == 1


def test_a_path_too_long_for_a_socket_is_named() -> None:
    with pytest.raises(ControlError, match="too long"):
        socket_path(Path("/" + "d" * 120))
