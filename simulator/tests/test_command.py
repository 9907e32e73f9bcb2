"""`python -m syncd_simulator PROVIDER` in a process of its own."""

import json
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest


@contextmanager
def started(*arguments: str) -> Iterator[dict[str, Any]]:
    """The command until the block ends; what it says when it is ready."""
    command = [sys.executable, "-m", "syncd_simulator", *arguments, "--people", "8"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()
        assert process.wait(10) == 0


@pytest.mark.parametrize("provider", ["google", "microsoft", "zoho"])
def test_it_serves_any_provider_until_it_is_told_to_stop(provider: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    with started(provider, "--settings", str(file)) as ready:
        assert (ready["provider"], ready["settings_file"]) == (provider, str(file))
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert json.loads(file.read_text())["endpoints"] == ready["endpoints"]
        users = httpx.get(ready["control"] + "/users").json()
        assert ready["admin"] in [user["address"] for user in users if user["admin"]]


def test_the_key_of_google_is_a_file_of_its_own(tmp_path: Path) -> None:
    key = tmp_path / "key.json"
    with started("google", "--keyfile", str(key)) as ready:
        assert ready["key_file"] == str(key)
        assert json.loads(key.read_text())["token_uri"] == ready["endpoints"]["token"]
        assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_the_settings_of_zoho_give_a_token() -> None:
    with started("zoho") as ready:
        settings = json.loads(Path(ready["settings_file"]).read_text())
        form = {name: settings[name] for name in ("client_id", "client_secret", "refresh_token")}
        url = settings["endpoints"]["accounts"] + "/oauth/v2/token"
        answer = httpx.post(url, data={"grant_type": "refresh_token", **form}).json()
        assert answer["access_token"]
        assert settings["refresh_token"] not in json.dumps(ready)
