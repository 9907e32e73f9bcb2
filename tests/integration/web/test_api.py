"""What the API says, route by route."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from syncd.control.watching import Changes, watch
from syncd.sdk import SystemClock
from syncd.testing import FakeClock
from syncd.web.streams import event_stream
from tests.integration.web.conftest import Web
from tests.system.site import notes

pytestmark = pytest.mark.anyio
RECORDS = {"connection": "acme", "stream": "notes"}
JSON = {"accept": "application/json"}


async def test_a_listing_is_read_page_by_page_without_gap_or_repeat(web: Web) -> None:
    await web.sync()
    async with web.client(headers=JSON) as client:
        seen: list[str] = []
        after: int | None = 0
        pages = 0
        while after is not None:
            answer = await client.get("/api/v1/records", params={**RECORDS, "limit": 5, "after": after})
            page = answer.json()
            assert len(page["records"]) <= 5
            seen += [record["source_id"] for record in page["records"]]
            after, pages = page["next"], pages + 1
        assert pages == 3
        assert sorted(seen) == [*sorted(f"a{n}" for n in range(12)), "people/c1"]
        whole = (await client.get("/api/v1/records", params={**RECORDS, "limit": 13})).json()
        assert whole["next"] is None
        assert [record["source_id"] for record in whole["records"]] == seen


async def test_a_page_holds_a_thousand_records_at_most(web: Web) -> None:
    web.site.save(notes={"ann@acme.example": notes("a", 1003)}, page=2000)
    await web.sync()
    async with web.client(headers=JSON) as client:
        page = (await client.get("/api/v1/records", params={**RECORDS, "limit": 10_000})).json()
        assert len(page["records"]) == 1000
        rest = (await client.get("/api/v1/records", params={**RECORDS, "after": page["next"]})).json()
        assert (len(rest["records"]), rest["next"]) == (3, None)


async def test_the_change_feed_has_pages_too_and_tells_of_deletions(web: Web) -> None:
    await web.sync()
    async with web.client(headers=JSON) as client:
        listing = (await client.get("/api/v1/records", params=RECORDS)).json()["records"]
        newest = listing[-1]["seq"]
        web.site.save(notes={"ann@acme.example": [*notes("a", 11), {"id": "new", "title": "New"}]})
        await web.sync()
        seen = []
        after: int | None = 0
        while after is not None:
            query = {**RECORDS, "since": newest, "after": after, "limit": 1}
            page = (await client.get("/api/v1/records", params=query)).json()
            seen += [(record["source_id"], record["change"]) for record in page["records"]]
            after = page["next"]
        assert sorted(seen) == [("a11", "deleted"), ("new", "added"), ("people/c1", "deleted")]
        live = (await client.get("/api/v1/records", params={**RECORDS, "after": newest})).json()["records"]
        assert [record["source_id"] for record in live] == ["new"]
        gone = (await client.get("/api/v1/records", params={**RECORDS, "deleted": True})).json()["records"]
        assert len(gone) == 2
        assert all(record["deleted_at"] for record in gone)


@pytest.mark.parametrize("accept", ["*/*", "application/x-ndjson", "application/x-ndjson, application/json"])
async def test_without_a_wish_for_json_records_come_one_a_line(web: Web, accept: str) -> None:
    await web.sync()
    async with web.client(headers={"accept": accept}) as client:
        answer = await client.get("/api/v1/records", params=RECORDS)
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    assert len([json.loads(line) for line in answer.text.splitlines()]) == 13


async def test_one_record_is_had_by_its_id_slashes_and_tombstones_included(web: Web) -> None:
    await web.sync()
    async with web.client() as client:
        for path in ("people/c1", "people%2Fc1"):
            record = (await client.get(f"/api/v1/records/acme/notes/{path}")).json()
            assert (record["source_id"], record["data"]["title"]) == ("people/c1", "Slashed")
        assert (await client.get("/api/v1/records/acme/notes/none")).status_code == 404
        assert (await client.get("/api/v1/records/acme/nots/a1")).json()["hint"] == "did you mean 'notes'?"
        assert (await client.get("/api/v1/records/acne/notes/a1")).status_code == 404
        web.site.save(notes={"ann@acme.example": notes("a", 12)})
        await web.sync()
        assert (await client.get("/api/v1/records/acme/notes/people/c1")).json()["change"] == "deleted"


async def test_an_id_that_two_accounts_have_needs_the_account(web: Web) -> None:
    same = [{"id": "same", "title": "Same"}]
    web.site.save(notes={"ann@acme.example": same, "bob@acme.example": same})
    await web.sync()
    async with web.client() as client:
        answer = await client.get("/api/v1/records/acme/notes/same")
        assert answer.status_code == 409
        assert "ann@acme.example" in answer.json()["hint"]
        one = await client.get("/api/v1/records/acme/notes/same", params={"account": "BOB@acme.example"})
        assert one.json()["account"] == "bob@acme.example"
        none = await client.get("/api/v1/records/acme/notes/same", params={"partition": "elsewhere"})
        assert none.status_code == 404


async def test_content_is_a_download_that_no_browser_runs(web: Web) -> None:
    await web.sync()
    async with web.client() as client:
        record = (await client.get("/api/v1/records/acme/notes/a1")).json()
        sha = record["summary"]["blob"]["sha256"]
        answer = await client.get(f"/api/v1/blobs/{sha}")
        assert answer.text == "text of a1"
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"] == f'attachment; filename="{sha}"'
        assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert (await client.get("/api/v1/blobs/" + "0" * 64)).status_code == 404
        assert (await client.get("/api/v1/blobs/x")).status_code == 422


async def test_syncs_connections_and_runs_of_all(web: Web) -> None:
    report = await web.sync()
    async with web.client() as client:
        (card,) = (await client.get("/api/v1/syncs")).json()
        again = (await client.get("/api/v1/syncs/nightly")).json()
        assert card | {"streams": []} == again | {"streams": []}
        assert [one["stream"] for one in card["streams"]] == [
            one["stream"] for one in again["streams"]
        ]  # freshness moves on
        assert card["last_run"]["run"] == report["run"]
        assert (await client.get("/api/v1/syncs/nightlx")).json()["hint"] == "did you mean 'nightly'?"
        (connection,) = (await client.get("/api/v1/connections")).json()
        assert connection["imported_at"]
        del connection["imported_at"]
        assert connection == {
            "name": "acme", "connector": "fake", "title": "A file", "organization": "org-1", "discovery": "manual",
            "accounts": 2, "syncs": ["nightly"],
        }  # fmt: skip
        second = await web.sync()
        runs = (await client.get("/api/v1/runs")).json()
        assert [run["run"] for run in runs] == [second["run"], report["run"]]
        older = (await client.get("/api/v1/runs", params={"before": second["run"], "limit": 1})).json()
        assert [run["run"] for run in older] == [report["run"]]


async def test_codes_schema_and_problems(web: Web) -> None:
    async with web.client() as client:
        codes = {entry["code"] for entry in (await client.get("/api/v1/errors")).json()}
        assert {"SYN-API-001", "SYN-FAKE-001"} <= codes
        assert (await client.get("/api/v1/errors/syn-auth-001")).json()["title"] == "credential refused"
        assert (await client.get("/api/v1/errors/SYN-NO-999")).status_code == 404
        schema = (await client.get("/api/v1/schema")).json()
        assert schema["$schema"].endswith("2020-12/schema")
        one = (await client.get("/api/v1/schema", params={"connector": "fake"})).json()
        assert "world" in json.dumps(one)
        assert (await client.get("/api/v1/schema", params={"connector": "none"})).status_code == 404
        assert (await client.get("/api/v1/problems")).json() == []


async def test_a_folder_is_validated_without_reading_anything_outside_it(web: Web) -> None:
    good = json.loads((web.site.config / "acme.yaml").read_text())
    good["connections"]["acme"]["settings"]["world"] = "${file:/nowhere/at/all}"
    async with web.client() as client:

        async def validated(files: dict[str, str]) -> Any:
            return (await client.post("/api/v1/validate", json={"folder": "/etc/syncd", "files": files})).json()

        assert await validated({"a.yaml": json.dumps(good)}) == {"ok": True, "problems": []}
        twice = await validated(dict.fromkeys(("a.yaml", "b.yaml"), "version: 1\ndaemon: {}\n"))
        assert "/etc/syncd/a.yaml:2" in twice["problems"][0]["message"]
        bad = await validated({"sub/b.yaml": "version: 1\nsyncs: {a: {connection: none, streams: [x]}}\n"})
        assert bad["ok"] is False
        assert bad["problems"][0]["file"] == "/etc/syncd/sub/b.yaml"
        assert bad["problems"][0]["line"] == 2
        for name in ("../x.yaml", "/x.yaml", "\0.yaml", "x" * 300 + ".yaml", "\ud800.yaml", ""):
            body = json.dumps({"folder": "/x", "files": {name: "version: 1"}})
            answer = await client.post("/api/v1/validate", content=body, headers={"content-type": "application/json"})
            assert answer.status_code == 422, name
            assert "syncd-plan-" not in answer.text


async def test_a_plan_does_not_show_what_a_proposed_folder_has_the_daemon_read(web: Web) -> None:
    outside = web.site.folder / "outside"
    outside.write_text("only-the-daemon-may-read-this")
    proposed = json.loads((web.site.config / "acme.yaml").read_text())
    proposed["connections"]["acme"]["settings"]["world"] = f"${{file:{outside}}}"
    proposed["connections"]["acme"]["accounts"] = {"include": [f"${{file:{outside}}}@x"]}
    async with web.client() as client:
        body = {"folder": "/x", "files": {"a.yaml": json.dumps(proposed)}}
        answer = await client.post("/api/v1/plan", json=body)
    assert answer.status_code == 200
    fields = {one["path"]: one["after"] for one in answer.json()["changes"][0]["fields"]}
    assert fields["settings.world"] == f"${{file:{outside}}}"
    assert "only-the-daemon" not in answer.text


async def test_each_answer_fits_its_description(web: Web) -> None:
    """The document is written by hand beside the answers: this is what holds them together."""
    await web.sync()
    web.site.save(notes={"ann@acme.example": notes("a", 1)})
    await web.sync()
    async with web.client(headers=JSON) as client:
        document = (await client.get("/api/v1/openapi.json")).json()
        for path, values in {
            "/status": {}, "/syncs": {}, "/syncs/{name}": {"name": "nightly"}, "/connections": {}, "/runs": {},
            "/connections/{name}/accounts": {"name": "acme"}, "/syncs/{name}/runs": {"name": "nightly"},
            "/runs/{run}": {"run": "1"}, "/syncs/{name}/held": {"name": "nightly"}, "/connectors": {}, "/errors": {},
            "/errors/{code}": {"code": "SYN-NET-001"}, "/notices": {}, "/problems": {}, "/records": {},
            "/records/{connection}/{stream}/{source_id}": {"connection": "acme", "stream": "notes", "source_id": "a1"},
        }.items():  # fmt: skip
            answer = await client.get("/api/v1" + path.format(**values), params=RECORDS)
            assert answer.status_code == 200, (path, answer.text)
            _fits(document, "get", path, answer.json())
        changed = json.loads((web.site.config / "acme.yaml").read_text())
        changed["daemon"]["concurrency"] = 3
        changed["syncs"]["nightly"]["accounts"] = {"exclude": ["ann@*"]}
        for path, name, body in (
            ("/plan", "", {"folder": "/x", "files": {"a.yaml": json.dumps(changed)}}),
            ("/validate", "", {"folder": "/x", "files": {"a.yaml": "version: 2"}}),
            ("/check", "", {}),
            ("/reload", "", {}),
            ("/notices/test", "", {}),
            ("/connections/{name}/import", "acme", {}),
            ("/syncs/{name}/enable", "nightly", {}),
            ("/syncs/{name}/disable", "nightly", {}),
            ("/syncs/{name}/resume", "nightly", {}),
            ("/syncs/{name}/approve", "nightly", {}),
            ("/syncs/{name}/reject", "nightly", {}),
            ("/syncs/{name}/reset", "nightly", {}),
            ("/syncs/{name}/runs", "nightly", {}),
        ):
            answer = await client.post("/api/v1" + path.format(name=name), json=body)
            assert answer.status_code in (200, 202), (path, answer.text)
            _fits(document, "post", path, answer.json())
        refused = await client.post("/api/v1/plan", json={"folder": "/x", "files": {"a.yaml": "version: 2"}})
        assert refused.json()["problems"]
        _fits(document, "post", "/plan", refused.json(), "4XX")


def _fits(document: Any, method: str, path: str, answer: Any, status: str = "") -> None:
    responses = document["paths"]["/api/v1" + path][method]["responses"]
    found = next(responses[one] for one in ((status,) if status else ("202", "200")) if one in responses)
    schema = {**found["content"]["application/json"]["schema"], "components": document["components"]}
    jsonschema.validate(answer, _closed(schema))


def _closed(schema: Any) -> Any:
    """The same schema, where a key that it does not describe is an error."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(value) for name, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema:
        closed["additionalProperties"] = False
    return closed


async def test_a_request_that_wishes_nothing_special_needs_no_body(web: Web) -> None:
    async with web.client() as client:
        assert (await client.post("/api/v1/syncs/nightly/runs")).status_code == 202
        for path in ("check", "syncs/nightly/reset", "syncs/nightly/approve"):
            assert (await client.post(f"/api/v1/{path}")).status_code == 200
        assert (await client.post("/api/v1/plan")).status_code == 422


async def test_the_page_on_the_api_names_each_of_its_paths(web: Web) -> None:
    text = (Path(__file__).parents[3] / "docs" / "api.md").read_text("utf-8")
    named = set(re.findall(r"`(GET|POST) (/[^`? ]*)`", text))
    described = {
        (method.upper(), path.removeprefix("/api/v1"))
        for path, methods in web.app.openapi()["paths"].items()
        for method in methods
    }
    assert named - {("GET", "/api/v1/openapi.json")} == described


# -- events


async def test_a_watcher_hears_of_each_change_once_however_slow_it_is(web: Web) -> None:
    events = watch(web.control.changes, web.control.parts.executor, SystemClock())
    assert await anext(events) == {"event": "hello"}
    following = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    await web.sync()
    for on in (False, True, False, True):
        await web.control.switch("nightly", on)
    await web.control.import_accounts("acme")
    await web.control.reload()
    heard = [await following]
    while heard[-1] != {"event": "configuration"}:
        heard.append(await anext(events))
    assert {"event": "connection", "connection": "acme"} in heard
    assert 1 <= heard.count({"event": "sync", "sync": "nightly"}) <= 3
    await events.aclose()  # type: ignore[attr-defined]
    assert not web.control.changes._listeners


async def test_a_watcher_sees_how_runs_get_on(web: Web) -> None:
    web.site.save(gate=str(web.site.gate))
    started = await anext(web.control.sync("nightly"))
    clock = FakeClock(auto=False)
    events = watch(web.control.changes, web.control.parts.executor, clock)
    assert (await anext(events))["event"] == "hello"
    for _ in range(200):
        following = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.02)
        clock.advance(1.0)
        progress = await following
        if progress["event"] == "progress" and progress["counts"]["new"] == 3:
            break
    assert (progress["run"], progress["sync"]) == (started["run"], "nightly")
    web.site.gate.touch()
    await events.aclose()  # type: ignore[attr-defined]


async def test_a_stream_ends_when_the_daemon_stops(web: Web) -> None:
    answer = await event_stream(web.control.watch(), web.stop)
    chunks = aiter(answer.body_iterator)  # type: ignore[attr-defined]
    assert await anext(chunks) == b'data: {"event": "hello"}\n\n'
    waiting = asyncio.ensure_future(anext(chunks, None))
    await asyncio.sleep(0.01)
    web.stop.set()
    assert await asyncio.wait_for(waiting, 5) is None


def test_nobody_listening_costs_nothing() -> None:
    changes = Changes()
    changes.tell("sync", sync="a")
    with changes.listen() as listener:
        for number in range(10_000):
            changes.tell("sync", sync=f"s{number % 3}")
        assert len(listener._waiting) == 3
