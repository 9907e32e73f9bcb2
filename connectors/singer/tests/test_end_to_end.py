"""The example of docs/singer.md through the real command, engine and store, with a small tap in the tap's place."""

import io
import json
import logging
import os
import re
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import structlog

from syncd.cli.app import run as command_line

from .conftest import executable

PAGE = Path(__file__).parents[3] / "docs" / "singer.md"


class Site:
    """A configuration folder and a state directory."""

    def __init__(self, folder: Path, text: str) -> None:
        config = folder / "config"
        config.mkdir()
        (config / "syncd.yaml").write_text(text)
        self.environment = {
            **os.environ,
            "ISSUES_TOKEN": "a-token-not-to-be-seen",
            "SYNCD_CONFIG": str(config),
            "SYNCD_STATE": str(folder / "state"),
        }

    def run(self, *arguments: str, code: int = 0) -> str:
        """What a command prints."""
        out, err = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True), io.StringIO()
        root, before = logging.getLogger(), logging.getLogger().handlers[:]
        try:
            with patch.dict(os.environ, self.environment, clear=True), redirect_stdout(out), redirect_stderr(err):
                given = command_line(arguments)
        finally:
            root.handlers[:] = before
            structlog.reset_defaults()
        text = out.buffer.getvalue().decode() + err.getvalue()  # type: ignore[attr-defined]
        assert given == code, f"{arguments}: {given}\n{text}"
        return str(text)

    def records(self, stream: str) -> set[str]:
        lines = self.run("records", "--connection", "tracker", "--stream", stream, "--ndjson").splitlines()
        return {one["source_id"] for one in map(json.loads, lines)}


def example() -> str:
    found = re.search(r"```yaml\n(connections:\n.*?)```", PAGE.read_text(), re.DOTALL)
    assert found
    return found[1]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    tap = executable(tmp_path, "small_tap.py")
    config = f"config:\n        file: {tmp_path}/items.json\n        streams: [issues, labels]\n"
    text = example().replace("tap: tap-tracker", f"tap: {tap}").replace("config:\n", config, 1)
    write(tmp_path, {"a": 1, "b": 2, "c": 3})
    return Site(tmp_path, text)


def write(folder: Path, items: dict[str, int]) -> None:
    told: list[Any] = [{"id": name, "updated": at} for name, at in items.items()]
    (folder / "items.json").write_text(json.dumps(told))


def test_the_example_is_mirrored_with_changes_and_deletions(site: Site, tmp_path: Path) -> None:
    assert "ready" in site.run("check", "tracker")
    site.run("import", "tracker")
    site.run("sync", "tracker")
    assert (site.records("issues"), site.records("labels")) == ({"a", "b", "c"}, {"a", "b", "c"})
    write(tmp_path, {"a": 1, "c": 4, "d": 5})
    site.run("sync", "tracker")
    assert (site.records("issues"), site.records("labels")) == ({"a", "b", "c", "d"}, {"a", "c", "d"})
    site.run("sync", "tracker", "--full")
    assert site.records("issues") == {"a", "c", "d"}


def test_the_tap_has_the_token_and_no_file_of_syncd_does(site: Site, tmp_path: Path) -> None:
    site.run("import", "tracker")
    site.run("sync", "tracker")
    token = site.environment["ISSUES_TOKEN"].encode()
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and token in path.read_bytes()]


@pytest.mark.parametrize(
    ("line", "instead", "said"),
    [
        ("repository: acme/website", "api_token: abc", "looks like a secret"),
        ("        full_every: 7d\n", "        full_every: soon\n", "duration"),
        ("      labels:\n", "      labels: {full_every: 1d}\n", "full_every"),
        ("memory: 1GiB", "memry: 1GiB", "memory"),
    ],
)
def test_settings_that_make_no_sense_are_told_with_their_place(
    tmp_path: Path, line: str, instead: str, said: str
) -> None:
    assert line in example()
    found = Site(tmp_path, example().replace(line, instead)).run("validate", code=78)
    assert said in found
    assert "syncd.yaml:" in found
