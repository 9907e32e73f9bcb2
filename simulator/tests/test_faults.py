"""Faults, quotas, delays, and how answers are dressed."""

import json
from typing import Any

import httpx
import pytest
from syncd_simulator.google.faults import DOCUMENTED

FILES = "/drive/v3/files"
GMAIL = "/gmail/v1/users/me/"
CONNECTIONS = "/v1/people/me/connections"


@pytest.mark.parametrize("name", sorted(DOCUMENTED))
def test_every_documented_refusal_can_be_given(site: Any, name: str) -> None:
    fault = site.world.faults.answer(name, method="drive.files.list", retry_after=7)
    response = site.ask("GET", FILES)
    assert response.status_code >= 400
    assert response.headers["retry-after"] == "7"
    assert fault.hits == 1
    assert site.ask("GET", FILES).status_code == 200


def test_the_people_throttle_has_details_and_gmail_a_time_in_its_message(site: Any) -> None:
    site.world.faults.answer("rate_limit", api="people")
    site.world.faults.answer("gmail_retry_after", api="gmail")
    status, error = site.refused(CONNECTIONS, params={"personFields": "names"})
    assert (status, error["details"][0]["violations"][0]["subject"]) == (429, "QUOTA_EXCEEDED")
    status, error = site.refused(GMAIL + "profile")
    assert error["message"].startswith("User-rate limit exceeded.  Retry after 20")


def test_a_fault_counts_skips_and_filters(site: Any) -> None:
    grace = site.world.user("grace.hopper@acme.example")
    site.world.faults.answer("backend_error", user=grace.address, path="files$", skip=1, times=2)
    assert site.ask("GET", FILES).status_code == 200
    assert [site.ask("GET", FILES, grace).status_code for _ in range(4)] == [200, 500, 500, 200]


def test_probable_faults_follow_the_seed(site: Any) -> None:
    site.world.faults.answer("unavailable", times=None, probability=0.5)
    found = [site.ask("GET", FILES).status_code for _ in range(40)]
    assert set(found) == {200, 503}
    site.world.faults.clear()
    assert site.ask("GET", FILES).status_code == 200


def test_the_line_breaks(site: Any) -> None:
    site.world.faults.reset(api="drive")
    site.world.faults.truncate(api="drive")
    for _ in range(2):
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
            site.ask("GET", FILES)
    assert site.ask("GET", FILES).status_code == 200


def test_an_answer_is_lost_after_the_work_was_done(site: Any) -> None:
    site.world.faults.reset(method="drive.files.create", done=True)
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        site.ask("POST", FILES, json={"name": "once"})
    found = site.get(FILES, q="name = 'once'")["files"]
    assert len(found) == 1


def test_slow_unreadable_and_rewritten_answers(site: Any) -> None:
    site.world.faults.slow(0.3)
    response = site.ask("GET", FILES)
    assert response.elapsed.total_seconds() > 0.25
    site.world.faults.invalid_json()
    with pytest.raises(json.JSONDecodeError):
        site.ask("GET", FILES).json()
    site.world.faults.rewrite_json(lambda body: body | {"files": None})
    assert site.get(FILES)["files"] is None
    site.world.faults.raw(502, b"<html>")
    assert site.ask("GET", FILES).text == "<html>"


def test_quotas_by_the_minute(site: Any) -> None:
    site.world.quotas.per_user["gmail"] = 41
    ids = [mail["id"] for mail in site.get(GMAIL + "messages")["messages"][:2]]  # 5 units
    assert site.ask("GET", GMAIL + f"messages/{ids[0]}").status_code == 200  # 25
    status, error = site.refused(GMAIL + f"messages/{ids[1]}")  # 45
    assert (status, error["errors"][0]["domain"]) == (403, "usageLimits")
    site.clock.advance(60)
    assert site.ask("GET", GMAIL + f"messages/{ids[1]}").status_code == 200


def test_the_first_page_of_a_people_full_sync_has_a_quota(site: Any) -> None:
    site.world.quotas.people_full_sync = 1
    params = {"personFields": "names", "requestSyncToken": "true"}
    token = site.get(CONNECTIONS, **params)["nextSyncToken"]
    assert site.refused(CONNECTIONS, params=params)[0] == 429
    assert site.get(CONNECTIONS, **params, syncToken=token)


def test_feeds_lag_behind(site: Any) -> None:
    site.clock.advance(1000)
    for api in ("people", "gmail", "drive", "calendar"):
        site.world.delay[api] = 120
    params = {"personFields": "names", "requestSyncToken": "true"}
    people = site.get(CONNECTIONS, **params)["nextSyncToken"]
    mail = site.get(GMAIL + "profile")["historyId"]
    files = site.get("/drive/v3/changes/startPageToken")["startPageToken"]
    events = "/calendar/v3/calendars/primary/events"
    calendar = site.all_pages(events, "items")[1]["nextSyncToken"]
    site.editor.add_contact(site.admin)
    site.editor.add_mail(site.admin)
    site.editor.add_file(site.admin)
    site.editor.add_event(site.admin, site.world.calendars.calendars[site.admin.address])

    def changes() -> list[int]:
        return [
            len(site.get(CONNECTIONS, **params, syncToken=people).get("connections", [])),
            len(site.get(GMAIL + "history", startHistoryId=mail).get("history", [])),
            len(site.get("/drive/v3/changes", pageToken=files)["changes"]),
            len(site.get(events, syncToken=calendar)["items"]),
        ]

    assert changes() == [0, 0, 0, 0]
    site.clock.advance(121)
    assert changes() == [1, 1, 1, 1]


def test_new_users_take_a_while_to_show_up(site: Any) -> None:
    site.clock.advance(1000)
    site.world.delay["admin"] = 60
    new = site.editor.add_user()
    users = "/admin/directory/v1/users"
    assert len(site.get(users, customer="my_customer")["users"]) == 3
    assert site.refused(f"{users}/{new.address}")[1]["message"] == "Resource Not Found: userKey"
    site.clock.advance(61)
    assert len(site.get(users, customer="my_customer")["users"]) == 4


def test_gzip_needs_the_word_in_the_user_agent(site: Any) -> None:
    plain = site.ask("GET", FILES, headers={"Accept-Encoding": "gzip", "User-Agent": "x"})
    assert "content-encoding" not in plain.headers
    packed = site.ask("GET", FILES, headers={"Accept-Encoding": "gzip", "User-Agent": "x (gzip)"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.json() == plain.json()


def test_pretty_print_on_demand(site: Any) -> None:
    assert "\n" not in site.ask("GET", FILES).text
    assert "\n  " in site.ask("GET", FILES, params={"prettyPrint": "true"}).text


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("kind", {"kind"}),
        ("files/id", {"files"}),
        ("*", {"kind", "incompleteSearch", "files"}),
        ("files(id, name),kind", {"files", "kind"}),
        ("", set()),
    ],
)
def test_fields_grammar(site: Any, fields: str, expected: set[str]) -> None:
    assert set(site.get(FILES, fields=fields)) == expected


def test_fields_nest_and_merge(site: Any) -> None:
    user = site.get("/drive/v3/about", fields="user/emailAddress,user(me)")["user"]
    assert user == {"emailAddress": site.admin.address, "me": True}
    events = site.get("/calendar/v3/calendars/primary/events", fields="items(start/date,id)")
    assert all(set(item) <= {"id", "start"} for item in events["items"])


@pytest.mark.parametrize("fields", ["files(etag)", "files(id", "nope", ",", "files//id"])
def test_fields_that_do_not_exist(site: Any, fields: str) -> None:
    status, error = site.refused(FILES, params={"fields": fields})
    assert (status, error["errors"][0]["reason"], error["errors"][0]["location"]) == (400, "invalidParameter", "fields")


def test_the_default_projection_is_short(site: Any) -> None:
    assert set(site.get(FILES)["files"][0]) == {"kind", "id", "name", "mimeType"}


def test_requests_are_counted_with_their_units(site: Any) -> None:
    site.world.requests.clear()
    mail = site.get(GMAIL + "messages")["messages"][0]["id"]
    site.get(GMAIL + f"messages/{mail}", format="raw")
    requests = site.world.requests
    assert (requests.total, requests.units, requests.units_by_api["gmail"]) == (2, 25, 25)
    assert requests.by_method["gmail.users.messages.get"] == 1
    assert requests.latest[-1].user == site.admin.address
    assert site.world.mail_counter[site.admin.id, mail, "raw"] == 1


@pytest.mark.parametrize(
    ("refusal", "status"),
    [("cannotDownloadAbusiveFile", 403), ("downloadQuotaExceeded", 403), ("appNotAuthorizedToFile", 403)],
)
def test_downloads_can_be_refused_file_by_file(site: Any, refusal: str, status: int) -> None:
    file = site.editor.add_file(site.admin)
    file.refusal = refusal
    found, error = site.refused(f"{FILES}/{file.id}", params={"alt": "media"})
    assert (found, error["errors"][0]["reason"]) == (status, refusal)
    acknowledged = site.ask("GET", f"{FILES}/{file.id}", params={"alt": "media", "acknowledgeAbuse": "true"})
    assert acknowledged.status_code == (200 if refusal == "cannotDownloadAbusiveFile" else 403)


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [("bytes=2-4", 206, b"234"), ("bytes=7-", 206, b"789"), ("bytes=-2", 206, b"89"), ("bytes=99-", 416, None)],
)
def test_ranges(site: Any, asked: str, status: int, part: bytes | None) -> None:
    file = site.editor.add_file(site.admin, content=b"0123456789")
    response = site.ask("GET", f"{FILES}/{file.id}", params={"alt": "media"}, headers={"Range": asked})
    assert response.status_code == status
    assert part is None or response.content == part


def test_metadata_scope_restricts_mail(site: Any) -> None:
    scopes = [f"https://www.googleapis.com/auth/gmail.{name}" for name in ("metadata", "readonly")]
    headers = site.bearer(scopes=scopes)
    mail = site.http.get(GMAIL + "messages", headers=headers).json()["messages"][0]["id"]
    searched = site.http.get(GMAIL + "messages", params={"q": "x"}, headers=headers)
    assert searched.json()["error"]["message"] == "Metadata scope does not support 'q' parameter"
    for form, status in (("raw", 403), ("full", 403), ("metadata", 200), ("minimal", 200)):
        response = site.http.get(GMAIL + f"messages/{mail}", params={"format": form}, headers=headers)
        assert response.status_code == status


def test_mail_of_others_and_without_a_mailbox(site: Any) -> None:
    status, error = site.refused("/gmail/v1/users/grace.hopper@acme.example/profile")
    assert (status, error["message"]) == (403, f"Delegation denied for {site.admin.address}")
    site.admin.mailbox_setup = False
    status, error = site.refused(GMAIL + "profile")
    assert (status, error["message"]) == (400, "Mail service not enabled")


@pytest.mark.parametrize(("mail_id", "status"), [("zz", 400), ("8000000000000000", 400), ("ffff", 404)])
def test_message_ids(site: Any, mail_id: str, status: int) -> None:
    assert site.refused(GMAIL + f"messages/{mail_id}")[0] == status


def test_acl_changes_kill_event_tokens(site: Any) -> None:
    events = "/calendar/v3/calendars/primary/events"
    token = site.all_pages(events, "items")[1]["nextSyncToken"]
    calendar = site.world.calendars.calendars[site.admin.address]
    site.world.calendars.share(calendar, site.world.user("alan.turing@acme.example"), "reader", site.world.now())
    assert site.refused(events, params={"syncToken": token})[0] == 410


def test_private_events_hide_their_details_from_readers(site: Any) -> None:
    team = site.world.calendars.calendars["c_team@group.calendar.google.com"]
    event = site.editor.add_event(site.admin, team, visibility="private")
    alan = site.world.user("alan.turing@acme.example")
    shown = site.get(f"/calendar/v3/calendars/{team.id}/events/{event['id']}", alan)
    assert "summary" not in shown
    assert "start" in shown


def test_users_without_a_calendar(site: Any) -> None:
    site.admin.calendar_enabled = False
    status, error = site.refused("/calendar/v3/users/me/calendarList")
    assert (status, error["errors"][0]["reason"]) == (403, "notACalendarUser")


def test_the_control_door(site: Any) -> None:
    door = site.http
    assert len(door.get("/_sim/users").json()) == 3
    made = door.post("/_sim/edit", json={"method": "add_contact", "user": site.admin.address}).json()["result"]
    assert made in door.get("/_sim/snapshot/contacts", params={"user": site.admin.id}).json()
    assert len(door.post("/_sim/edit", json={"random": 5}).json()["edits"]) == 5
    assert door.post("/_sim/expire", json={"api": "people"}).json() == {"users": 3}
    assert door.post("/_sim/clock", json={"advance": 60}).json()["time"] == site.world.now()
    fault = {"kind": "answer", "name": "rate_limit", "match": {"api": "drive"}}
    assert door.post("/_sim/faults", json=fault).json() == {"plan": 1}
    assert site.refused(FILES)[0] == 429
    assert door.delete("/_sim/faults").json() == {"hits": 1}
    assert door.post("/_sim/world", json={"page_cap": {"drive": 2}}).json()["page_cap"] == {"drive": 2}
    assert door.get("/_sim/requests").json()["total"] == 1
    assert door.post("/_sim/nothing").status_code == 400
    assert door.get("/_sim/key", params={"token_uri": "http://x/token"}).json()["token_uri"] == "http://x/token"
