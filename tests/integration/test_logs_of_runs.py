"""One id leads from the beginning of a run to each request that it made."""

import io
import json
import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from syncd.config.model import ConnectionLimits
from syncd.engine.wirelog import template
from syncd.logs import configure
from syncd.testing.notes import SECRET, TOKEN
from syncd.testing.notes_connector import NotesConnector
from tests.support.observed import observed

pytestmark = pytest.mark.anyio


class Traced(NotesConnector):
    """Its provider takes a request's id."""

    info = replace(NotesConnector.info, request_id="x-request")


@pytest.fixture
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(out: io.StringIO, event: str | None = None) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in out.getvalue().splitlines()]
    return [one for one in found if event in (None, one["event"])]


async def test_a_runs_number_stands_on_every_line_down_to_the_request(tmp_path: Path, restored: None) -> None:
    out = io.StringIO()
    async with observed(tmp_path / "state") as place:
        configure("debug", stream=out)
        report = await place.sync()
        other = await place.sync(full=True)
    begun = [one["run"] for one in lines(out, "run begins")]
    assert begun == [report.run, other.run]
    first = [one for one in lines(out) if one.get("run") == report.run]
    asked = [one for one in first if one["event"] == "provider request"]
    assert len(asked) == report.requests
    assert len({one["request"] for one in asked}) == report.requests
    assert {one["sync"] for one in first} == {"nightly"}
    notes = [one for one in asked if one.get("stream") == "notes" and "partition" in one]
    assert {one["partition"] for one in notes} == {"inbox", "work", "attic"}
    assert {one["account"] for one in notes} == {"ada@acme.example", "bob@acme.example"}
    (end,) = [one for one in first if one["event"] == "run ended"]
    assert (end["status"], end["requests"], end["level"]) == ("completed", report.requests, "info")


async def test_request_lines_hold_no_query_no_secret_and_no_item(tmp_path: Path, restored: None) -> None:
    out = io.StringIO()
    async with observed(tmp_path / "state") as place:
        configure("debug", stream=out)
        await place.sync()
        await place.sync()  # deltas: their places stand in the query
        notes = list(place.source.api.notes)
    text = out.getvalue()
    assert lines(out, "provider request")
    for word in (SECRET, TOKEN, "since=", "sync:", "page=", "ünïcödé", *notes):
        assert word not in text, word


async def test_there_is_no_line_for_each_record(tmp_path: Path, restored: None) -> None:
    out = io.StringIO()
    async with observed(tmp_path / "state") as place:
        place.source.grow(3000)
        configure("debug", stream=out)
        report = await place.sync()
    assert report.counts.new > 3000
    assert len(lines(out)) <= report.requests + 10


async def test_at_level_info_a_run_takes_two_lines(tmp_path: Path, restored: None) -> None:
    out = io.StringIO()
    async with observed(tmp_path / "state") as place:
        configure(stream=out)
        await place.sync()
    assert [one["event"] for one in lines(out)] == ["run begins", "run ended"]


async def test_a_run_that_lacks_something_ends_with_a_warning_that_says_what(tmp_path: Path, restored: None) -> None:
    out = io.StringIO()
    async with observed(tmp_path / "state") as place:
        place.source.api.lost = 1
        configure(stream=out)
        await place.sync()
    (end,) = lines(out, "run ended")
    assert (end["level"], end["status"], end["failed"], end["code"]) == ("warning", "partial", 1, "SYN-ITEM-001")
    assert end["error"]


async def test_a_provider_that_takes_ids_gets_those_of_the_log(tmp_path: Path, restored: None) -> None:
    out, sent = io.StringIO(), []
    async with observed(tmp_path / "state", Traced()) as place:
        handle = place.source.api.handle

        def seen(request: httpx.Request) -> httpx.Response:
            sent.append((request.url.path, request.headers.get("x-request")))
            return handle(request)

        place.source.api.handle = seen  # type: ignore[method-assign]
        acme = place.control.parts.config.connections["acme"]
        place.configure(connections={"acme": replace(acme, limits=ConnectionLimits(concurrency=2))})  # opens it anew
        configure("debug", stream=out)
        await place.sync()
    told = {one["request"]: one["path"] for one in lines(out, "provider request")}
    ours = {number: path for path, number in sent if number is not None}
    assert {path for path, number in sent if number is None} == {"/token"}
    assert ours.keys() == {number for number, path in told.items() if path != "/token"}
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", number) for number in ours)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/v1/people/me/connections", "/v1/people/me/connections"),
        ("/gmail/v1/users/me/messages/18c2f0a9b7d3e451", "/gmail/v1/users/me/messages/{id}"),
        ("/calendar/v3/calendars/ann@acme.example/events", "/calendar/v3/calendars/{id}/events"),
        (
            "/v1.0/users/9f0c-11/mailFolders/AQMkADAw0=/messages/delta",
            "/v1.0/users/{id}/mailFolders/{id}/messages/delta",
        ),
        ("/v1.0/users/u-1/drive/root/delta(token='abc')", "/v1.0/users/{id}/drive/root/delta({id})"),
        ("/v1.0/$batch", "/v1.0/$batch"),
        ("/batch/gmail/v1", "/batch/gmail/v1"),
        ("/files/" + "A" * 40, "/files/{id}"),
        ("/a%2Fb\x1b[31m/c", "/{id}/c"),
        ("/", "/"),
    ],
)
def test_a_path_is_shown_without_what_it_is_about(path: str, shown: str) -> None:
    assert template(path) == shown
