"""What a command loads: seconds that nobody should wait for `--help`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = [
    "sqlmodel",
    "sqlalchemy",
    "alembic",
    "httpx",
    "fastapi",
    "starlette",
    "uvicorn",
    "rich",
    "structlog",
    "pydantic",
]
STORE = ["sqlmodel", "sqlalchemy", "alembic", "fastapi", "starlette", "uvicorn"]
PROGRAM = """
import json, sys
from syncd.cli.app import run
code = run(sys.argv[2:])
print(json.dumps([code, sorted(set(sys.modules) & set(sys.argv[1].split(",")))]))
"""


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (["--help"], HEAVY),
        (["sync", "--help"], HEAVY),
        (["--version"], HEAVY),
        (["completion", "bash"], HEAVY),
        (["validate"], STORE),
        (["explain", "SYN-AUTH-001"], STORE),
        (["schema"], STORE),
        (["connectors"], STORE),
    ],
)
def test_nothing_heavy_is_loaded(arguments: list[str], unwanted: list[str], tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("version: 1\n")
    if arguments == ["validate"]:
        arguments = ["validate", str(tmp_path)]
    command = [sys.executable, "-c", PROGRAM, ",".join(unwanted), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == [0, []], done.stderr
