"""One test for each trap of google.md §13 that a server sets. The number is the trap's."""

from typing import Any

import httpx
import pytest

CONNECTIONS = "/v1/people/me/connections"
PEOPLE = {"personFields": "names,metadata,emailAddresses", "requestSyncToken": "true"}
EVENTS = "/calendar/v3/calendars/primary/events"
GMAIL = "/gmail/v1/users/me/"
DRIVE = "/drive/v3/"
BOTH = {"supportsAllDrives": "true", "includeItemsFromAllDrives": "true"}


def sync_token(site: Any, path: str, **params: Any) -> str:
    _, last = site.all_pages(path, "items", **params)
    return str(last["nextSyncToken"])


def test_trap_01_people_expiry_is_400_not_410(site: Any) -> None:
    token = site.get(CONNECTIONS, **PEOPLE)["nextSyncToken"]
    site.clock.advance(4 * 86400)
    carried = site.get(CONNECTIONS, **PEOPLE, syncToken=token)["nextSyncToken"]
    site.clock.advance(3.1 * 86400)  # 7 days after the full sync, 3 after the last use
    status, error = site.refused(CONNECTIONS, params=PEOPLE | {"syncToken": carried})
    assert (status, error["status"]) == (400, "FAILED_PRECONDITION")
    assert error["details"][0]["reason"] == "EXPIRED_SYNC_TOKEN"
    assert "errors" not in error
    status, error = site.refused(CONNECTIONS, params=PEOPLE | {"syncToken": "garbage"})
    assert (status, error["status"]) == (400, "INVALID_ARGUMENT")


def test_trap_02_gmail_cursor_expiry_is_404_on_history(site: Any) -> None:
    start = site.get(GMAIL + "profile")["historyId"]
    site.editor.add_mail(site.admin)
    assert site.get(GMAIL + "history", startHistoryId=start)["history"]
    site.clock.advance(8 * 86400)
    status, error = site.refused(GMAIL + "history", params={"startHistoryId": start})
    assert (status, error["status"], error["errors"][0]["reason"]) == (404, "NOT_FOUND", "notFound")
    assert site.get(GMAIL + "profile")["messagesTotal"] > 0  # the mailbox is still there


def test_trap_03_calendar_410_has_three_reasons(site: Any) -> None:
    token = sync_token(site, EVENTS)
    site.world.expire("calendar", site.admin)
    reasons = [site.refused(EVENTS, params={"syncToken": token})]
    long_ago = {"updatedMin": "2020-01-01T00:00:00Z"}
    reasons.append(site.refused(EVENTS, params=long_ago))
    event = site.editor.add_event(site.admin, site.world.calendars.calendars[site.admin.address])
    assert site.ask("DELETE", f"{EVENTS}/{event['id']}").status_code == 204
    reasons.append(site.refused(f"{EVENTS}/{event['id']}", method="DELETE"))
    assert [(status, error["errors"][0]["reason"]) for status, error in reasons] == [
        (410, "fullSyncRequired"),
        (410, "updatedMinTooLongAgo"),
        (410, "deleted"),
    ]


def test_trap_04_sync_token_stands_on_the_last_page_only(site: Any) -> None:
    pages = []
    token = None
    while not pages or token:
        pages.append(site.get(EVENTS, maxResults=2, **({"pageToken": token} if token else {})))
        token = pages[-1].get("nextPageToken")
    assert len(pages) > 2
    assert ["nextSyncToken" in page for page in pages] == [False] * (len(pages) - 1) + [True]


def test_trap_05_calendar_delta_pages_need_the_sync_token_too(site: Any) -> None:
    token = sync_token(site, EVENTS, maxResults=2)
    calendar = site.world.calendars.calendars[site.admin.address]
    for _ in range(5):
        site.editor.add_event(site.admin, calendar)
    page = site.get(EVENTS, maxResults=2, syncToken=token)
    without = {"maxResults": 2, "pageToken": page["nextPageToken"]}
    assert site.refused(EVENTS, params=without)[0] == 400
    items, _ = site.all_pages(EVENTS, "items", maxResults=2, syncToken=token)
    assert len(items) == 5


@pytest.mark.parametrize(
    "extra",
    [
        {"timeMin": "2026-01-01T00:00:00Z"},
        {"timeMax": "2026-01-01T00:00:00Z"},
        {"updatedMin": "2026-01-01T00:00:00Z"},
        {"q": "tea"},
        {"orderBy": "updated"},
        {"iCalUID": "x"},
        {"privateExtendedProperty": "a=b"},
        {"sharedExtendedProperty": "a=b"},
        {"showDeleted": "false"},
    ],
)
def test_trap_06_filters_are_refused_with_a_sync_token(site: Any, extra: dict[str, str]) -> None:
    token = sync_token(site, EVENTS)
    status, error = site.refused(EVENTS, params=extra | {"syncToken": token})
    assert (status, error["errors"][0]["reason"]) == (400, "badRequest")


def test_trap_06_the_first_call_may_have_a_time_filter_and_the_token_keeps_it(site: Any) -> None:
    token = sync_token(site, EVENTS, timeMin="2031-01-01T00:00:00Z")
    calendar = site.world.calendars.calendars[site.admin.address]
    late = {"start": {"date": "2031-05-01"}, "end": {"date": "2031-05-02"}}
    inside = site.editor.add_event(site.admin, calendar, **late)["id"]
    outside = site.editor.add_event(site.admin, calendar)["id"]
    shown = {item["id"]: item["status"] for item in site.get(EVENTS, syncToken=token)["items"]}
    assert shown == {inside: "confirmed", outside: "cancelled"}


def test_trap_07_a_page_may_be_empty_and_go_on(site: Any) -> None:
    site.world.empty_event_pages = True
    first = site.get(EVENTS)
    assert first["items"] == []
    second = site.get(EVENTS, pageToken=first["nextPageToken"])
    assert second["items"]
    assert "nextSyncToken" in second


def test_trap_08_a_cancelled_event_has_only_its_id(site: Any) -> None:
    token = sync_token(site, EVENTS)
    gone = site.editor.delete_event(site.admin, site.world.calendars.calendars[site.admin.address])
    items = {item["id"]: item for item in site.get(EVENTS, syncToken=token)["items"]}
    assert set(items[gone]) == {"kind", "etag", "id", "status"}
    detailed = {item["id"]: item for item in site.get(EVENTS, syncToken=token, showDeleted="true")["items"]}
    assert "start" in detailed[gone]


def test_trap_09_a_cancelled_instance_does_not_cancel_the_series(site: Any) -> None:
    calendar = site.world.calendars.calendars[site.admin.address]
    series = site.editor.add_series(site.admin, calendar, "FREQ=WEEKLY;COUNT=5")
    instances = site.get(f"{EVENTS}/{series['id']}/instances")["items"]
    token = sync_token(site, EVENTS)
    site.ask("DELETE", f"{EVENTS}/{instances[2]['id']}")
    items = site.get(EVENTS, syncToken=token)["items"]
    assert [(item["id"], item["recurringEventId"], item["status"]) for item in items] == [
        (instances[2]["id"], series["id"], "cancelled")
    ]
    assert "originalStartTime" in items[0]
    full = {item["id"]: item for item in site.all_pages(EVENTS, "items")[0]}
    assert full[instances[2]["id"]]["status"] == "cancelled"  # an exception of a living series stays in full lists
    assert full[series["id"]]["status"] == "confirmed"


def test_trap_10_expanded_lists_lose_the_end_of_endless_series(site: Any) -> None:
    calendar = site.world.calendars.calendars[site.admin.address]
    series = site.editor.add_series(site.admin, calendar, "FREQ=DAILY")
    before, last = site.all_pages(EVENTS, "items", singleEvents="true")
    token = last["nextSyncToken"]
    site.ask("DELETE", f"{EVENTS}/{series['id']}")
    after, _ = site.all_pages(EVENTS, "items", singleEvents="true", syncToken=token)
    shown = {item["id"] for item in before if item.get("recurringEventId") == series["id"]}
    gone = {item["id"] for item in after if item["status"] == "cancelled"}
    assert gone
    assert len(shown - gone) > 300


def test_trap_11_changes_during_a_listing_come_from_a_token_taken_before(site: Any) -> None:
    before = site.get(DRIVE + "changes/startPageToken")["startPageToken"]
    site.get(DRIVE + "files", pageSize=2)
    file = site.editor.edit_file(site.admin)
    after = site.get(DRIVE + "changes/startPageToken")["startPageToken"]
    assert [change["fileId"] for change in site.get(DRIVE + "changes", pageToken=before)["changes"]] == [file.id]
    assert site.get(DRIVE + "changes", pageToken=after)["changes"] == []


def test_trap_12_a_changes_page_has_one_of_two_tokens(site: Any) -> None:
    start = site.get(DRIVE + "changes/startPageToken")["startPageToken"]
    for _ in range(3):
        site.editor.add_file(site.admin)
    first = site.get(DRIVE + "changes", pageToken=start, pageSize=2)
    assert "nextPageToken" in first
    assert "newStartPageToken" not in first
    second = site.get(DRIVE + "changes", pageToken=first["nextPageToken"], pageSize=2)
    assert "newStartPageToken" in second
    assert "nextPageToken" not in second


def test_trap_13_fields_without_tokens_hides_that_there_is_more(site: Any) -> None:
    assert set(site.get(DRIVE + "files", pageSize=1, fields="files(id)")) == {"files"}
    assert "nextPageToken" in site.get(DRIVE + "files", pageSize=1, fields="files(id),nextPageToken")


def test_trap_14_trashing_is_not_removal(site: Any) -> None:
    start = site.get(DRIVE + "changes/startPageToken")["startPageToken"]
    file = site.editor.my_file(site.admin, lambda f: not f.is_folder and not f.trashed)
    site.ask("PATCH", f"{DRIVE}files/{file.id}", json={"trashed": True})
    change = site.get(DRIVE + "changes", pageToken=start, fields="changes(removed,file(trashed))")["changes"][0]
    assert change == {"removed": False, "file": {"trashed": True}}
    site.ask("DELETE", f"{DRIVE}files/{file.id}")
    change = site.get(DRIVE + "changes", pageToken=start)["changes"][0]
    assert (change["removed"], "file" in change) == (True, False)


def test_trap_15_native_docs_have_no_checksums_and_cannot_be_downloaded(site: Any) -> None:
    native = site.editor.add_native(site.admin, kind="spreadsheet")
    shown = site.get(f"{DRIVE}files/{native.id}", fields="*")
    assert {"md5Checksum", "sha256Checksum", "headRevisionId", "originalFilename"} & set(shown) == set()
    assert int(shown["size"]) > 0
    assert "text/csv" in shown["exportLinks"]
    status, error = site.refused(f"{DRIVE}files/{native.id}", params={"alt": "media"})
    assert (status, error["errors"][0]["reason"], error["errors"][0]["location"]) == (403, "fileNotDownloadable", "alt")


def test_trap_16_a_large_export_is_refused_for_good(site: Any) -> None:
    native = site.editor.add_native(site.admin, kind="document")
    native.export_size = 10 * 1024 * 1024 + 1
    status, error = site.refused(f"{DRIVE}files/{native.id}/export", params={"mimeType": "text/plain"})
    assert (status, error["errors"][0]["reason"]) == (403, "exportSizeLimitExceeded")
    operation = site.ask("POST", f"{DRIVE}files/{native.id}/download", params={"mimeType": "text/plain"}).json()
    assert site.ask("GET", operation["response"]["downloadUri"]).content == native.content


def test_trap_17_shared_drive_items_need_both_flags_and_their_own_log(site: Any) -> None:
    drive = next(iter(site.world.drive.drives.values()))
    own = site.get(DRIVE + "changes/startPageToken", **BOTH)["startPageToken"]
    log = site.get(DRIVE + "changes/startPageToken", driveId=drive.id, supportsAllDrives="true")["startPageToken"]
    file = site.editor.add_file(site.admin, drive)
    listing = {"corpora": "drive", "driveId": drive.id}
    assert site.get(DRIVE + "files", **listing)["files"] == []
    assert file.id in [item["id"] for item in site.get(DRIVE + "files", **listing, **BOTH)["files"]]
    assert site.refused(f"{DRIVE}files/{file.id}")[0] == 404
    assert site.get(DRIVE + "changes", pageToken=own, **BOTH)["changes"] == []
    assert site.get(DRIVE + "changes", pageToken=log, driveId=drive.id)["changes"] == []
    changes = site.get(DRIVE + "changes", pageToken=log, driveId=drive.id, **BOTH)["changes"]
    assert [change["fileId"] for change in changes] == [file.id]
    assert site.refused(DRIVE + "changes", params={"pageToken": own, "driveId": drive.id} | BOTH)[0] == 400


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("user_rate_limit", "userRateLimitExceeded"),
        ("rate_limit_403", "rateLimitExceeded"),
        ("daily_limit", "dailyLimitExceeded"),
        ("domain_policy", "domainPolicy"),
    ],
)
def test_trap_18_a_403_means_many_things(site: Any, name: str, reason: str) -> None:
    site.world.faults.answer(name, api="drive")
    status, error = site.refused(DRIVE + "files")
    assert (status, error["errors"][0]["reason"]) == (403, reason)


def test_trap_18_missing_scopes_are_a_403_of_their_own(site: Any) -> None:
    headers = site.bearer(scopes=["https://www.googleapis.com/auth/calendar"])
    response = site.http.get(DRIVE + "files", headers=headers)
    error = response.json()["error"]
    assert (response.status_code, error["errors"][0]["reason"]) == (403, "insufficientPermissions")
    assert 'error="insufficient_scope"' in response.headers["www-authenticate"]


def test_trap_19_calendar_throttles_with_403_or_429(site: Any) -> None:
    site.world.faults.answer("rate_limit_403", api="calendar")
    site.world.faults.answer("rate_limit_429", api="calendar")
    found = [site.refused(EVENTS) for _ in range(2)]
    assert [status for status, _ in found] == [403, 429]
    assert {error["errors"][0]["reason"] for _, error in found} == {"rateLimitExceeded"}
    assert site.get(EVENTS)


def test_trap_20_gmail_64_bit_values_are_strings(site: Any) -> None:
    assert isinstance(site.get(GMAIL + "profile")["historyId"], str)
    mail_id = site.get(GMAIL + "messages")["messages"][0]["id"]
    mail = site.get(GMAIL + f"messages/{mail_id}", format="minimal")
    assert [type(mail[name]) for name in ("historyId", "internalDate", "sizeEstimate")] == [str, str, int]


def test_trap_21_listing_from_the_newest_history_id_gives_nothing(site: Any) -> None:
    site.editor.add_mail(site.admin)
    newest = site.get(GMAIL + "profile")["historyId"]
    assert site.get(GMAIL + "history", startHistoryId=newest) == {"historyId": newest}


def test_trap_22_trash_is_a_label_and_default_lists_hide_it(site: Any) -> None:
    start = site.get(GMAIL + "profile")["historyId"]
    mail = site.editor.add_mail(site.admin)
    site.editor.trash_mail(site.admin, mail)
    records = site.get(GMAIL + "history", startHistoryId=start)["history"]
    assert records[1]["labelsAdded"][0]["labelIds"] == ["TRASH"]
    assert records[1]["labelsRemoved"][0]["labelIds"] == ["INBOX"]
    assert not any("messagesDeleted" in record for record in records)
    assert mail.id not in [m["id"] for m in site.get(GMAIL + "messages")["messages"]]
    shown = site.get(GMAIL + "messages", includeSpamTrash="true")["messages"]
    assert mail.id in [m["id"] for m in shown]


def test_trap_23_empty_lists_omit_their_key(site: Any) -> None:
    new = site.world.add_user("New", "Person")
    assert site.get(CONNECTIONS, new, **PEOPLE).keys() == {"nextSyncToken"}
    assert site.get(GMAIL + "messages", new) == {"resultSizeEstimate": 0}
    deleted = site.get("/admin/directory/v1/users", customer="my_customer", showDeleted="true")
    assert "users" not in deleted
    assert site.get(EVENTS, new)["items"] == []
    assert site.get(DRIVE + "files", new)["files"] == []


def batch_of(site: Any, *targets: str, path: str = "/batch/gmail/v1") -> httpx.Response:
    parts = [
        f"--b1\r\nContent-Type: application/http\r\nContent-ID: <x + {number}>\r\n\r\nGET {target}\r\n\r\n\r\n"
        for number, target in enumerate(targets)
    ]
    body = "preamble\r\n" + "".join(parts) + "--b1--\r\nepilogue"
    headers = {"Content-Type": "multipart/mixed; boundary=b1"}
    response: httpx.Response = site.ask("POST", path, content=body.encode(), headers=headers)
    return response


def test_trap_24_a_batch_is_200_while_parts_fail(site: Any) -> None:
    site.world.faults.answer("gmail_concurrency", api="gmail", in_batch=True, times=2)
    response = batch_of(site, *["/gmail/v1/users/me/profile"] * 5)
    assert response.status_code == 200
    assert response.text.count("HTTP/1.1 429 Too Many Requests") == 2
    assert response.text.count("HTTP/1.1 200 OK") == 3
    assert response.text.count("Too many concurrent requests for user") == 4  # on top and inside


def test_trap_24_a_batch_has_a_limit_and_one_api(site: Any) -> None:
    assert batch_of(site, *["/gmail/v1/users/me/profile"] * 101).status_code == 400
    assert batch_of(site, "/gmail/v1/users/me/profile", "/drive/v3/files", path="/batch").status_code == 400


def test_trap_25_content_ids_come_back_and_order_does_not(site: Any) -> None:
    response = batch_of(site, *["/gmail/v1/users/me/profile"] * 20)
    ids = [line for line in response.text.splitlines() if line.startswith("Content-ID")]
    assert sorted(ids) == sorted(f"Content-ID: <response-x + {number}>" for number in range(20))
    assert ids != sorted(ids, key=lambda line: int(line.rpartition(" ")[2].rstrip(">")))


def test_trap_26_a_scope_that_is_not_granted_is_401_unauthorized_client(site: Any) -> None:
    site.world.granted_scopes = {"https://www.googleapis.com/auth/calendar"}
    answer = site.token()
    assert (answer.status_code, answer.json()["error"]) == (401, "unauthorized_client")


def test_trap_27_token_errors_have_another_shape(site: Any) -> None:
    token = site.token(sub="nobody@acme.example").json()
    assert token == {"error": "invalid_grant", "error_description": "Invalid email or User ID"}
    assert isinstance(site.refused(DRIVE + "about")[1], dict)


def test_trap_28_directory_wants_customer_or_domain_and_has_no_delta(site: Any) -> None:
    users = "/admin/directory/v1/users"
    status, error = site.refused(users)
    assert (status, error["errors"][0]["reason"]) == (400, "badRequest")
    everybody = site.get(users, domain=site.world.domain)["users"]
    gone = site.world.user(everybody[2]["id"])
    site.world.delete_user(gone)
    assert len(site.get(users, customer="my_customer")["users"]) == len(everybody) - 1
    deleted = site.get(users, customer="my_customer", showDeleted="true")["users"]
    assert [(user["id"], "deletionTime" in user) for user in deleted] == [(gone.id, True)]
    site.clock.advance(21 * 86400)
    assert "users" not in site.get(users, customer="my_customer", showDeleted="true")


def test_trap_29_a_rename_keeps_the_id(site: Any) -> None:
    old = site.admin.address
    site.editor.rename_user(site.admin)
    shown = site.get(f"/admin/directory/v1/users/{old}")
    assert (shown["id"], shown["aliases"]) == (site.admin.id, [old])
    assert shown["primaryEmail"] != old


def test_trap_30_update_contact_replaces_fields_and_conflicts_with_400(site: Any) -> None:
    name = site.editor.add_contact(site.admin, names=[{"givenName": "A"}], phoneNumbers=[{"value": "1"}])
    person = site.get(f"/v1/{name}", personFields="names,phoneNumbers,metadata")
    fresh = {"metadata": person["metadata"], "names": [{"givenName": "B"}]}
    path, mask = f"/v1/{name}:updateContact", {"updatePersonFields": "names,phoneNumbers"}
    updated = site.ask("PATCH", path, params=mask, json=fresh).json()
    assert updated["names"][0]["givenName"] == "B"
    assert "phoneNumbers" not in updated
    status, error = site.refused(path, method="PATCH", params=mask, json=fresh)
    assert (status, error["status"]) == (400, "FAILED_PRECONDITION")
    assert "person.metadata.sources.etag is different" in error["message"]
    assert site.refused(path, method="PATCH", params=mask, json={"names": []})[0] == 400


def test_trap_31_calendar_conflicts_are_412_and_drive_has_none(site: Any) -> None:
    event = site.editor.add_event(site.admin, site.world.calendars.calendars[site.admin.address])
    path = f"{EVENTS}/{event['id']}"
    stale = {"If-Match": event["etag"]}
    assert site.ask("PATCH", path, json={"summary": "x"}, headers=stale).status_code == 200
    status, error = site.refused(path, method="PATCH", json={"summary": "y"}, headers=stale)
    assert (status, error["errors"][0]["reason"]) == (412, "conditionNotMet")
    file = site.editor.add_file(site.admin)
    written = site.ask("PATCH", f"{DRIVE}files/{file.id}", json={"name": "z"}, headers={"If-Match": '"never"'})
    assert written.status_code == 200
    assert site.refused(f"{DRIVE}files/{file.id}", params={"fields": "etag"})[0] == 400
