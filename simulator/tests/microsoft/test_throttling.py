"""Throttles, errors, faults."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from syncd_simulator.microsoft import DOCUMENTED


def settle(reached: Callable[[], bool]) -> None:
    """A request counts as in flight until its answer is written off, a moment after the client has it."""
    until = time.monotonic() + 10
    while not reached():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_five_at_once_are_one_too_many(site: Any) -> None:
    site.world.faults.slow(0.3, times=None)
    path = f"{site.url}/v1.0/users/{site.ada.id}/contacts"
    headers, barrier = site.bearer(), threading.Barrier(5)

    def ask(_: int) -> int:
        with httpx.Client() as client:
            barrier.wait()
            return client.get(path, headers=headers).status_code

    with ThreadPoolExecutor(5) as pool:
        assert sorted(pool.map(ask, range(5))) == [200, 200, 200, 200, 429]
    assert site.world.most_at_once == {site.ada.id: 5}
    settle(lambda: site.world.in_flight[site.ada.id] == 0)


def test_ten_thousand_in_ten_minutes(site: Any) -> None:
    site.world.quotas.mailbox_requests = 3
    path = f"/users/{site.ada.id}/contacts"
    for _ in range(3):
        site.get(path)
        site.clock.advance(60)
    answer = site.ask("GET", path)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "420")
    assert site.get(f"/users/{site.grace.id}/contacts")["value"] is not None
    site.clock.advance(600)
    assert site.ask("GET", path).status_code == 200


def test_refused_requests_count_too(site: Any) -> None:
    site.world.quotas.mailbox_requests = 2
    path = f"/users/{site.ada.id}/contacts"
    statuses = []
    for _ in range(4):
        statuses.append(site.ask("GET", path).status_code)
        site.clock.advance(200)
    assert statuses == [200, 200, 429, 429]


@pytest.mark.parametrize(("said", "header"), [("0.5", "0.5"), ("", None), (None, "1")])
def test_forms_of_retry_after(site: Any, said: str | None, header: str | None) -> None:
    site.world.faults.answer("throttled", retry_after=said, api="contacts")
    assert site.ask("GET", f"/users/{site.ada.id}/contacts").headers.get("retry-after") == header


def test_a_date_as_retry_after(site: Any) -> None:
    site.world.faults.answer("date_retry_after")
    assert site.ask("GET", "/users").headers["retry-after"].endswith(" GMT")


def test_directory_headers(site: Any) -> None:
    site.world.quotas.directory_units = 10
    quiet = site.ask("GET", "/users")
    assert quiet.headers["x-ms-resource-unit"] == "2"
    assert "x-ms-throttle-limit-percentage" not in quiet.headers
    for _ in range(4):
        loud = site.ask("GET", "/users")
    assert loud.headers["x-ms-throttle-limit-percentage"] == "1.0"
    refused = site.ask("GET", "/users")
    assert refused.status_code == 429
    assert refused.headers["x-ms-throttle-information"] == "ResourceUnitLimitExceeded"
    assert refused.headers["x-ms-throttle-scope"].startswith("Tenant_Application/ReadWrite/")


def test_drive_headers(site: Any) -> None:
    site.world.quotas.drive_units = 10
    path = f"/users/{site.ada.id}/drive"
    for _ in range(8):
        assert "ratelimit-limit" not in site.ask("GET", path).headers
    near = site.ask("GET", path)
    assert (near.status_code, near.headers["ratelimit-remaining"]) == (200, "1")
    site.ask("GET", path)
    over = site.ask("GET", path)
    assert (over.status_code, over.headers["ratelimit-remaining"]) == (429, "0")
    assert over.headers["ratelimit-reset"] == "60"
    assert over.json()["error"]["code"] == "activityLimitReached"


@pytest.mark.parametrize("name", sorted(name for name in DOCUMENTED if not name.startswith("aadsts")))
@pytest.mark.parametrize("path", ["/users/delta", "/users/{u}/messages", "/users/{u}/drive/root/delta"])
def test_documented_faults_answer_once(site: Any, name: str, path: str) -> None:
    path = path.replace("{u}", site.ada.id)
    site.world.faults.answer(name)
    assert site.ask("GET", path).status_code >= 400
    assert site.ask("GET", path).status_code == 200


def test_errors_carry_ids_and_a_date_without_zone(site: Any) -> None:
    answer = site.ask("GET", "/users/nobody", headers={"client-request-id": "mine"})
    inner = answer.json()["error"]["innerError"]
    assert {*inner} == {"date", "request-id", "client-request-id"}
    assert len(inner["date"]) == len("2025-02-13T10:17:05")
    assert inner["client-request-id"] == answer.headers["client-request-id"] == "mine"
    assert inner["request-id"] == answer.headers["request-id"]


def test_headers_of_success(site: Any) -> None:
    answer = site.ask("GET", "/users")
    assert answer.headers["content-type"].startswith("application/json;odata.metadata=minimal;")
    assert answer.headers["odata-version"] == "4.0"
    assert "x-ms-ags-diagnostic" in answer.headers


def test_no_token_a_wrong_token_and_unknown_paths(site: Any) -> None:
    assert site.http.get("/v1.0/users").json()["error"]["code"] == "InvalidAuthenticationToken"
    wrong = site.http.get("/v1.0/users", headers={"Authorization": "Bearer nonsense"})
    assert "80049217" in wrong.json()["error"]["message"]
    assert wrong.headers["www-authenticate"].startswith("Bearer ")
    assert site.refused("/nothing")[0] == 400


def test_faults_of_the_line(site: Any) -> None:
    faults = site.world.faults
    faults.reset(path="/users")
    with pytest.raises(httpx.TransportError):
        site.ask("GET", "/users")
    faults.truncate(path="/users")
    with pytest.raises(httpx.TransportError):
        site.ask("GET", "/users")
    faults.invalid_json(method="GET /users")
    with pytest.raises(ValueError, match=r".*"):
        site.ask("GET", "/users").json()
    faults.rewrite_json(lambda body: body | {"value": []}, method="GET /users")
    assert site.get("/users")["value"] == []
    assert all(fault.hits == 1 for fault in faults.plan)


def test_a_done_reset_has_been_carried_out(site: Any) -> None:
    before = len(site.ada.mailbox.contacts)
    site.world.faults.reset(done=True, method="POST *")
    with pytest.raises(httpx.TransportError):
        site.ask("POST", f"/users/{site.ada.id}/contacts", json={"givenName": "Twice"})
    assert len(site.ada.mailbox.contacts) == before + 1


def test_the_log_knows_what_was_asked(site: Any) -> None:
    site.get(f"/users/{site.ada.id}/contacts", {"Prefer": 'IdType="ImmutableId"'})
    asked = site.world.requests.latest[-1]
    assert (asked.api, asked.method, asked.user) == ("contacts", "GET /users/{u}/contacts", site.ada.address)
    assert asked.prefer == 'IdType="ImmutableId"'
    assert site.world.requests.by_status[200] == 1
    site.world.requests.clear()
    assert site.world.requests.total == 0
