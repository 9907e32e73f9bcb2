"""The discovery witness sees what is wrong: a witness that never objects proves nothing."""

import json
from typing import Any

import pytest

from tests.support.discovery import check_answer, check_request, find, methods

CONNECTIONS = "/v1/people/me/connections"


def ask(http: str, path: str, body: Any = None, **query: str) -> list[str]:
    data = json.dumps(body).encode() if body is not None else b""
    return check_request(http, path, {name: [value] for name, value in query.items()}, data)[1]


def answer(http: str, path: str, value: Any, status: int = 200) -> list[str]:
    method = find(http, path)
    assert method is not None
    return check_answer(method, status, json.dumps(value).encode(), "application/json; charset=UTF-8")


def test_all_five_documents_are_read() -> None:
    assert {method.api for method in methods()} == {"people", "calendar", "drive", "gmail", "admin"}


@pytest.mark.parametrize(
    ("path", "method"),
    [
        (CONNECTIONS, "people.people.connections.list"),
        ("/v1/people/c123", "people.people.get"),
        ("/v1/people:batchGet", "people.people.getBatchGet"),
        ("/calendar/v3/calendars/a%40b/events/x/instances", "calendar.events.instances"),
        ("/drive/v3/changes/startPageToken", "drive.changes.getStartPageToken"),
        ("/drive/v3/files/generateIds", "drive.files.generateIds"),
        ("/gmail/v1/users/me/messages/1a", "gmail.users.messages.get"),
        ("/admin/directory/v1/users", "directory.users.list"),
    ],
)
def test_paths_lead_to_their_methods(path: str, method: str) -> None:
    found = find("GET", path)
    assert found is not None
    assert found.id == method


@pytest.mark.parametrize(
    ("problems", "words"),
    [
        (ask("GET", "/v2/people"), "no such method"),
        (ask("PUT", "/drive/v3/files/a", {}), "no such method"),
        (ask("GET", CONNECTIONS, personField="names"), "unknown parameter"),
        (ask("GET", CONNECTIONS, personFields="names", pageSize="many"), "no integer"),
        (ask("GET", CONNECTIONS, personFields="name"), "no field of Person"),
        (ask("GET", CONNECTIONS, personFields="names", sortOrder="UP"), "none of"),
        (ask("GET", "/drive/v3/changes"), "required"),
        (ask("GET", "/drive/v3/files", pageSize="5000"), "out of range"),
        (ask("GET", "/drive/v3/files", supportsAllDrives="True"), "no boolean"),
        (ask("GET", "/drive/v3/files", fields="nextPageToken,files(id,etag)"), "'etag' is no field"),
        (ask("GET", "/drive/v3/files", fields="files(id"), "unbalanced"),
        (ask("POST", "/v1/people:createContact", {"names": {"givenName": "A"}}), "$.names"),
        (ask("POST", "/v1/people:createContact", {"name": []}), "unknown field"),
        (ask("GET", "/gmail/v1/users/me/history", startHistoryId="x"), "no uint64"),
    ],
)
def test_bad_requests_are_seen(problems: list[str], words: str) -> None:
    assert len(problems) == 1
    assert words in problems[0]


@pytest.mark.parametrize(
    ("problems", "words"),
    [
        (answer("GET", "/gmail/v1/users/me/profile", {"historyId": 1710}), "$.historyId: 1710 is no string"),
        (answer("GET", "/gmail/v1/users/me/messages", {"resultSizeEstimate": "0"}), "is no integer"),
        (answer("GET", "/drive/v3/files", {"files": [{"etag": "x"}]}), "$.files[0].etag: unknown field"),
        (answer("GET", "/drive/v3/files", {"files": None}), "is no array"),
        (answer("GET", "/drive/v3/files/a", {"modifiedTime": "yesterday"}), "no date-time"),
        (answer("GET", "/gmail/v1/users/me/messages/1", {"raw": "**"}), "no byte"),
        (answer("GET", "/drive/v3/files/a", {"error": "invalid_grant"}, 400), "no error envelope"),
    ],
)
def test_bad_answers_are_seen(problems: list[str], words: str) -> None:
    assert len(problems) == 1
    assert words in problems[0]


def test_good_traffic_passes() -> None:
    assert ask("GET", CONNECTIONS, personFields="names,metadata", pageSize="1000", fields="connections(names)") == []
    assert answer("GET", CONNECTIONS, {"connections": [{"names": [{"givenName": "A"}]}], "totalItems": 1}) == []
