"""`python -m syncd_simulator google` in a process of its own."""

import json
import stat
import subprocess
import sys
from pathlib import Path

import httpx


def test_it_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    key = tmp_path / "key.json"
    command = [sys.executable, "-m", "syncd_simulator", "google", "--people", "3", "--keyfile", str(key)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert json.loads(key.read_text())["token_uri"] == ready["endpoints"]["token"]
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        users = httpx.get(ready["control"] + "/users").json()
        assert ready["admin"] in [user["address"] for user in users if user["admin"]]
        process.terminate()
        assert process.wait(10) == 0
