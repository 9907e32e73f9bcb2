"""The examples of docs/http.md through the real command, engine and store, against fake APIs on loopback."""

import io
import json
import logging
import os
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import structlog

from syncd.cli.app import run as command_line

from .fakes import Chat, Crm, Drive, Fake, Tracker
from .loopback import served
from .page import blocks

EXAMPLES = {"crm": (Crm, "contacts"), "tracker": (Tracker, "issues"), "documents": (Drive, "documents"), "chat": (Chat, "messages")}  # fmt: skip


class Site:
    """A folder with an example whose addresses are those of a fake API."""

    def __init__(self, folder: Path, text: str, origin: str, secrets: dict[str, str]) -> None:
        self.config, self.state = folder / "config", folder / "state"
        self.config.mkdir()
        self.text = re.sub(r"https://[a-z.]*\.example", origin, text)
        self.write(self.text)
        self.environment = {**os.environ, **secrets, "SYNCD_CONFIG": str(self.config), "SYNCD_STATE": str(self.state)}

    def write(self, text: str) -> None:
        (self.config / "syncd.yaml").write_text(text)

    def run(self, *arguments: str, code: int = 0) -> str:
        """The output of a command."""
        out, err = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True), io.StringIO()
        root, before = logging.getLogger(), logging.getLogger().handlers[:]
        try:
            with patch.dict(os.environ, self.environment, clear=True), redirect_stdout(out), redirect_stderr(err):
                given = command_line(arguments)
        finally:
            root.handlers[:] = before
            structlog.reset_defaults()
        text = out.buffer.getvalue().decode()  # type: ignore[attr-defined]
        assert given == code, f"{arguments}: {given}\n{text}\n{err.getvalue()}"
        self.errors = err.getvalue()
        return str(text)

    def records(self, connection: str, stream: str) -> dict[str, Any]:
        lines = self.run("records", "--connection", connection, "--stream", stream, "--ndjson").splitlines()
        return {one["source_id"]: one["data"] for one in map(json.loads, lines)}


@contextmanager
def site_of(name: str, folder: Path) -> Iterator[tuple[Site, Fake]]:
    kind, _ = EXAMPLES[name]
    fake = kind({}, 0)
    with served(fake) as origin:
        yield Site(folder, blocks()[name], origin, dict(fake.secrets)), fake


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_mirrored_with_its_changes(name: str, tmp_path: Path) -> None:
    stream = EXAMPLES[name][1]
    with site_of(name, tmp_path) as (site, fake):
        print(site.run("check", name))
        site.run("import", name)
        sync = stream if name == "tracker" else name
        site.run("sync", sync)
        assert site.records(name, stream).keys() == everything(fake)
        rng = random.Random(3)
        for _ in range(6):
            fake.change(rng)
        fake.delete(rng)
        site.run("sync", sync, *(["--full"] if name in ("tracker", "documents") else []))
        assert site.records(name, stream).keys() == everything(fake)


def everything(fake: Fake) -> set[str]:
    if isinstance(fake, Drive):
        return {fake.shown(one)["uuid"] for one in fake.entries.values()}
    prefix = {"Tracker": "I-", "Chat": "m"}.get(type(fake).__name__, "")
    return {prefix + name for name in fake.entries}


def test_a_dry_run_reads_and_writes_nothing(tmp_path: Path) -> None:
    with site_of("crm", tmp_path) as (site, fake):
        site.run("import", "crm")
        site.run("sync", "crm", "--dry-run")
        assert any(request.url.path == "/v2/contacts" for request in fake.served)
        assert site.records("crm", "contacts") == {}


def test_a_check_says_where_the_ids_are_not(tmp_path: Path) -> None:
    with site_of("crm", tmp_path) as (site, _):
        site.write(site.text.replace("          id: id\n", "          id: uuid\n"))
        [found] = json.loads(site.run("check", "crm", "--json", code=3))
        said = found["streams"]["contacts"]
        assert said.startswith("3 of 3 entries cannot be read (an entry without an id)")
        assert "an entry has archived, emails, first_name, id" in said


def test_a_wrong_secret_is_told_by_check_and_shown_nowhere(tmp_path: Path) -> None:
    with site_of("crm", tmp_path) as (site, _):
        site.environment["CRM_SECRET"] = "another-secret-value"
        text = site.run("check", "crm", code=77)
        assert "invalid_client" in text + site.errors
        assert "another-secret-value" not in text + site.errors


def test_content_and_summaries_land(tmp_path: Path) -> None:
    with site_of("documents", tmp_path) as (site, fake):
        site.run("import", "documents")
        site.run("sync", "documents")
        lines = site.run("records", "--connection", "documents", "--stream", "documents", "--ndjson").splitlines()
        first = json.loads(lines[0])
        entry = fake.entries[first["source_id"][1:]]
        assert first["summary"]["mime_type"] == "text/plain"
        assert site.run("blob", first["summary"]["blob"]["sha256"]) == entry["text"]


def test_a_changed_request_reads_everything_again_and_changes_nothing(tmp_path: Path) -> None:
    with site_of("chat", tmp_path) as (site, fake):
        site.run("import", "chat")
        site.run("sync", "chat")
        site.write(site.text.replace("limit: 200", "limit: 100"))
        fake.served.clear()
        site.run("sync", "chat")
        assert len(fake.served) > 1  # all pages, not one delta
        lines = site.run("records", "--connection", "chat", "--stream", "messages", "--ndjson").splitlines()
        assert {json.loads(line)["version"] for line in lines} == {1}
        assert len(lines) == len(fake.entries)


def test_summaries_that_are_said_anew_are_made_anew_and_are_no_changes(tmp_path: Path) -> None:
    with site_of("crm", tmp_path) as (site, _):
        site.run("import", "crm")
        site.run("sync", "crm")
        site.write(site.text.replace("name: [first_name, last_name]", "name: last_name"))
        site.run("sync", "crm", "--full")
        lines = site.run("records", "--connection", "crm", "--stream", "contacts", "--ndjson").splitlines()
        found = [json.loads(line) for line in lines]
        assert {(one["summary"]["name"], one["version"]) for one in found} == {("Customer", 1)}
