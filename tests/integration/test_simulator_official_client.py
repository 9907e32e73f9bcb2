"""Google's own Python client drives every method of the simulator; the discovery documents witness the traffic."""

import base64
import io
import json
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # deprecations inside of the client's own imports
    from google.oauth2 import service_account
    from googleapiclient import discovery
    from googleapiclient.errors import HttpError
    from googleapiclient.http import BatchHttpRequest, MediaInMemoryUpload, MediaIoBaseDownload

from syncd_simulator import Editor, GoogleWorld, google_app, serve, tiny_organisation
from syncd_simulator.google import calendar, directory, drive, gmail, people

from tests.support.discovery import DiscoveryWitness

SCOPES = [
    "https://www.googleapis.com/auth/" + name
    for name in [
        "contacts",
        "contacts.other.readonly",
        "directory.readonly",
        "calendar",
        "drive",
        "admin.directory.user.readonly",
        "admin.directory.rolemanagement.readonly",
    ]
] + ["https://mail.google.com/"]
ROOTS = {"people": "/", "calendar": "/calendar/v3/", "drive": "/drive/v3/", "gmail": "/", "admin": "/"}
VERSIONS = {"people": "v1", "calendar": "v3", "drive": "v3", "gmail": "v1", "admin": "directory_v1"}


class Google:
    """The official client on a simulated organisation."""

    def __init__(self, world: GoogleWorld, url: str, witness: DiscoveryWitness) -> None:
        self.world, self.url, self.witness = world, url, witness
        self.editor = Editor(world, 5)
        self.admin = next(iter(world.users.values()))
        self._services: list[Any] = []
        key = world.key_file(url + "/token")
        self.credentials = service_account.Credentials.from_service_account_info(
            key, scopes=SCOPES, subject=self.admin.address
        )

    def service(self, api: str) -> Any:
        service = discovery.build(
            api, VERSIONS[api], credentials=self.credentials, static_discovery=True,
            client_options={"api_endpoint": self.url + ROOTS[api]},
        )  # fmt: skip
        self._services.append(service)
        return service

    def close(self) -> None:
        for service in self._services:
            service.close()


SEEN: Counter[str] = Counter()  # method ids
RAN: set[str] = set()  # test names


@pytest.fixture
def google(request: pytest.FixtureRequest) -> Iterator[Google]:
    world = tiny_organisation(seed=2)
    witness = DiscoveryWitness(google_app(world))
    with serve(witness) as server:
        google = Google(world, server.url, witness)
        yield google
        google.close()
    SEEN.update(witness.seen)
    RAN.add(request.node.name)
    assert witness.violations == []


def pages(resource: Any, **parameters: Any) -> Iterator[Any]:
    """All pages of a list, by the client's own `list_next`."""
    request = resource.list(**parameters)
    while request is not None:
        answer = request.execute()
        yield answer
        request = resource.list_next(request, answer)


def plain(request: Any) -> Any:
    """The client insists on https for upload addresses; the simulator serves loopback in the clear."""
    request.uri = request.uri.replace("https://", "http://")
    return request


def refused(request: Any) -> tuple[int, str]:
    with pytest.raises(HttpError) as caught:
        request.execute()
    return int(caught.value.resp.status), str(json.loads(caught.value.content)["error"]["errors"][0]["reason"])


def test_people_lists_and_syncs(google: Google) -> None:
    people_api = google.service("people")
    google.world.page_cap["people"] = 2
    common = {"resourceName": "people/me", "personFields": "names,emailAddresses,metadata", "requestSyncToken": True}
    answers = list(pages(people_api.people().connections(), **common))
    persons = [person for answer in answers for person in answer["connections"]]
    assert len(persons) == 5
    assert ["nextSyncToken" in answer for answer in answers] == [False, False, True]
    gone = google.editor.delete_contact(google.admin)
    token = answers[-1]["nextSyncToken"]
    delta = people_api.people().connections().list(syncToken=token, **common).execute()
    assert [p["resourceName"] for p in delta["connections"] if p["metadata"].get("deleted")] == [gone]
    google.world.expire("people", google.admin)
    assert refused(people_api.people().connections().list(syncToken=token, **common)) == (400, "failedPrecondition")


def test_people_reads_and_writes(google: Google) -> None:
    people_api = google.service("people")
    body = {"names": [{"givenName": "Niels", "familyName": "Bohr"}]}
    made = people_api.people().createContact(body=body).execute()
    name = made["resourceName"]
    made["names"][0]["givenName"] = "Harald"
    changed = people_api.people().updateContact(resourceName=name, updatePersonFields="names", body=made).execute()
    assert changed["names"][0]["displayName"] == "Harald Bohr"
    stale = people_api.people().updateContact(resourceName=name, updatePersonFields="names", body=made)
    assert refused(stale) == (400, "failedPrecondition")
    assert people_api.people().get(resourceName=name, personFields="names").execute()["names"]
    many = people_api.people().getBatchGet(resourceNames=[name, "people/c1"], personFields="names").execute()
    assert [r["httpStatusCode"] for r in many["responses"]] == [200, 404]
    assert people_api.people().deleteContact(resourceName=name).execute() == {}


def test_people_bulk_groups_and_directory(google: Google) -> None:
    people_api = google.service("people")
    person = {"names": [{"givenName": "Lise"}]}
    made = people_api.people().batchCreateContacts(body={"contacts": [{"contactPerson": person}], "readMask": "names"})
    created = made.execute()["createdPeople"][0]["person"]
    updates = {"contacts": {created["resourceName"]: created}, "updateMask": "names", "readMask": "names"}
    assert people_api.people().batchUpdateContacts(body=updates).execute()["updateResult"]
    people_api.people().batchDeleteContacts(body={"resourceNames": [created["resourceName"]]}).execute()
    groups = [g for page in pages(people_api.contactGroups(), pageSize=2) for g in page["contactGroups"]]
    assert {"myContacts", "Customers"} <= {group["name"] for group in groups}
    people_api.contactGroups().create(body={"contactGroup": {"name": "Physics"}}).execute()
    again = people_api.contactGroups().create(body={"contactGroup": {"name": "Physics"}})
    assert refused(again) == (409, "alreadyExists")
    others = people_api.otherContacts().list(readMask="names,emailAddresses", requestSyncToken=True).execute()
    assert others["otherContacts"]
    directory = people_api.people().listDirectoryPeople(
        readMask="names,emailAddresses", sources=["DIRECTORY_SOURCE_TYPE_DOMAIN_PROFILE"], requestSyncToken=True
    )
    assert len(directory.execute()["people"]) == 3


def test_calendar_lists_and_syncs(google: Google) -> None:
    calendar_api = google.service("calendar")
    google.world.page_cap["calendar"] = 3
    entries = [e for page in pages(calendar_api.calendarList(), showHidden=True) for e in page["items"]]
    assert [entry["id"] for entry in entries if entry.get("primary")] == [google.admin.address]
    answers = list(pages(calendar_api.events(), calendarId="primary", maxResults=50))
    events = {event["id"]: event for answer in answers for event in answer["items"]}
    truth = google.world.snapshot(google.admin, "calendar")[google.admin.address]
    assert {key: event for key, event in events.items() if event["status"] != "cancelled"} == truth
    mine = google.world.calendars.calendars[google.admin.address]
    gone = google.editor.delete_event(google.admin, mine)
    token = answers[-1]["nextSyncToken"]
    delta = calendar_api.events().list(calendarId="primary", syncToken=token, maxResults=50).execute()
    assert gone in [event["id"] for event in delta["items"] if event["status"] == "cancelled"]
    google.world.expire("calendar", google.admin)
    expired = calendar_api.events().list(calendarId="primary", syncToken=token, maxResults=50)
    assert refused(expired) == (410, "fullSyncRequired")


def test_calendar_events_are_written(google: Google) -> None:
    events = google.service("calendar").events()
    hour = {"start": {"dateTime": "2026-05-04T10:00:00+02:00"}, "end": {"dateTime": "2026-05-04T11:00:00+02:00"}}
    made = events.insert(calendarId="primary", body=hour | {"summary": "Tea"}, sendUpdates="none").execute()
    patched = events.patch(calendarId="primary", eventId=made["id"], body={"summary": "Coffee"}).execute()
    assert (patched["summary"], patched["etag"] != made["etag"]) == ("Coffee", True)
    stale = events.update(calendarId="primary", eventId=made["id"], body=hour)
    stale.headers["If-Match"] = made["etag"]
    assert refused(stale) == (412, "conditionNotMet")
    assert events.update(calendarId="primary", eventId=made["id"], body=hour).execute()["sequence"] == 0
    events.delete(calendarId="primary", eventId=made["id"]).execute()
    assert events.get(calendarId="primary", eventId=made["id"]).execute()["status"] == "cancelled"
    assert refused(events.delete(calendarId="primary", eventId=made["id"])) == (410, "deleted")
    imported = {"iCalUID": "x@elsewhere.example", "organizer": {"email": google.admin.address}} | hour
    assert events.import_(calendarId="primary", body=imported).execute()["id"].startswith("_")


def test_calendar_series_and_moves(google: Google) -> None:
    calendar_api = google.service("calendar")
    events = calendar_api.events()
    when = {"dateTime": "2026-05-04T10:00:00", "timeZone": "Europe/Madrid"}
    until = {"dateTime": "2026-05-04T11:00:00", "timeZone": "Europe/Madrid"}
    body = {"start": when, "end": until, "recurrence": ["RRULE:FREQ=WEEKLY;COUNT=4"]}
    series = events.insert(calendarId="primary", body=body).execute()
    instances = events.instances(calendarId="primary", eventId=series["id"]).execute()["items"]
    assert len(instances) == 4
    assert instances[1]["id"] == series["id"] + "_20260511T080000Z"
    events.delete(calendarId="primary", eventId=instances[1]["id"]).execute()
    assert len(events.instances(calendarId="primary", eventId=series["id"]).execute()["items"]) == 3
    expanded = events.list(calendarId="primary", singleEvents=True, orderBy="startTime", timeMin="2026-05-01T00:00:00Z")
    assert "nextSyncToken" not in expanded.execute()
    other = calendar_api.calendars().insert(body={"summary": "Other"}).execute()
    assert calendar_api.calendars().get(calendarId=other["id"]).execute()["summary"] == "Other"
    calendar_api.calendars().patch(calendarId=other["id"], body={"summary": "Else"}).execute()
    moved = events.move(calendarId="primary", eventId=series["id"], destination=other["id"]).execute()
    assert moved["id"] == series["id"]
    assert calendar_api.acl().list(calendarId=other["id"]).execute()["items"]
    calendar_api.calendarList().patch(calendarId=other["id"], body={"hidden": True}).execute()
    assert calendar_api.calendarList().get(calendarId=other["id"]).execute()["hidden"]
    calendar_api.calendarList().delete(calendarId=other["id"]).execute()
    calendar_api.calendarList().insert(body={"id": other["id"]}).execute()
    calendar_api.calendars().delete(calendarId=other["id"]).execute()


def test_drive_lists_and_replays_changes(google: Google) -> None:
    drive_api = google.service("drive")
    flags = {"supportsAllDrives": True, "includeItemsFromAllDrives": True}
    start = drive_api.changes().getStartPageToken(supportsAllDrives=True).execute()["startPageToken"]
    google.world.page_cap["drive"] = 3
    wanted = "nextPageToken,incompleteSearch,files(id,name,mimeType,md5Checksum,parents,trashed,size,driveId)"
    parameters = {"pageSize": 100, "fields": wanted, "corpora": "allDrives"} | flags
    files = [file for page in pages(drive_api.files(), **parameters) for file in page["files"]]
    assert {file["id"] for file in files} == set(google.world.snapshot(google.admin, "files"))
    trashed = google.editor.trash_file(google.admin)
    google.editor.change_membership()
    fields = "nextPageToken,newStartPageToken,changes(changeType,removed,fileId,file(id,trashed),drive(id,name))"
    answers = list(pages(drive_api.changes(), pageToken=start, fields=fields, **flags))
    changed = {change["fileId"]: change for answer in answers for change in answer["changes"] if "fileId" in change}
    assert trashed is not None
    assert changed[trashed.id]["file"]["trashed"]
    assert "newStartPageToken" in answers[-1]
    bogus = drive_api.changes().list(pageToken="BOGUS")
    assert refused(bogus) == (400, "invalid")


def test_drive_content_is_downloaded_in_chunks_and_exported(google: Google) -> None:
    drive_api = google.service("drive")
    blob = google.editor.add_file(google.admin, content=bytes(range(256)) * 1000)
    native = google.editor.add_native(google.admin, kind="document")
    held = io.BytesIO()
    download = MediaIoBaseDownload(held, drive_api.files().get_media(fileId=blob.id), chunksize=100_000)
    done = False
    while not done:
        _, done = download.next_chunk()
    assert held.getvalue() == blob.content
    assert drive_api.files().export(fileId=native.id, mimeType="text/plain").execute() == native.content
    with pytest.raises(HttpError, match="Only files with binary content"):
        drive_api.files().get_media(fileId=native.id).execute()
    operation = drive_api.files().download(fileId=native.id, mimeType="application/pdf").execute()
    assert drive_api.operations().get(name=operation["name"]).execute()["done"]


def test_drive_files_are_written(google: Google) -> None:
    drive_api = google.service("drive")
    new = drive_api.files().generateIds(count=1).execute()["ids"][0]
    folder = {"name": "Papers", "mimeType": "application/vnd.google-apps.folder", "id": new}
    drive_api.files().create(body=folder).execute()
    assert refused(drive_api.files().create(body=folder)) == (409, "fileIdInUse")
    media = MediaInMemoryUpload(b"one two", mimetype="text/plain")
    made = plain(drive_api.files().create(body={"name": "a.txt"}, media_body=media, fields="*")).execute()
    assert (made["size"], made["mimeType"], made["trashed"]) == ("7", "text/plain", False)
    moved = drive_api.files().update(fileId=made["id"], addParents=new, body={"name": "b.txt"}, fields="name,parents")
    assert moved.execute() == {"name": "b.txt", "parents": [new]}
    simple = MediaInMemoryUpload(b"three", mimetype="text/plain")
    changed = drive_api.files().update(fileId=made["id"], media_body=simple, fields="sha256Checksum,size")
    assert plain(changed).execute()["size"] == "5"
    assert refused(drive_api.files().update(fileId=made["id"], body={"parents": ["x"]})) == (403, "fieldNotWritable")
    drive_api.files().delete(fileId=made["id"]).execute()
    assert refused(drive_api.files().get(fileId=made["id"])) == (404, "notFound")


def test_drive_about_and_shared_drives(google: Google) -> None:
    drive_api = google.service("drive")
    assert refused(drive_api.about().get()) == (400, "required")
    about = drive_api.about().get(fields="*").execute()
    assert about["user"]["emailAddress"] == google.admin.address
    for _ in range(11):
        google.editor.add_drive(google.admin)
    drives = [d for page in pages(drive_api.drives()) for d in page["drives"]]
    assert len(drives) == 12
    assert drive_api.drives().get(driveId=drives[0]["id"]).execute()["name"] == drives[0]["name"]


def test_gmail_lists_gets_and_follows_history(google: Google) -> None:
    gmail_api = google.service("gmail").users()
    begin = gmail_api.getProfile(userId="me").execute()["historyId"]
    google.world.page_cap["gmail"] = 3
    listed = [
        m for page in pages(gmail_api.messages(), userId="me", includeSpamTrash=True) for m in page.get("messages", ())
    ]
    truth = google.world.snapshot(google.admin, "mail")
    assert {message["id"] for message in listed} == set(truth)
    for form in ("full", "minimal", "raw"):
        message = gmail_api.messages().get(userId="me", id=listed[0]["id"], format=form).execute()
        assert message["threadId"] == listed[0]["threadId"]
    wanted = {"format": "metadata", "metadataHeaders": ["From", "Subject"]}
    headers = gmail_api.messages().get(userId="me", id=listed[0]["id"], **wanted).execute()["payload"]["headers"]
    assert {header["name"] for header in headers} == {"From", "Subject"}
    new = google.editor.add_mail(google.admin)
    gmail_api.messages().trash(userId="me", id=new.id).execute()
    gmail_api.messages().untrash(userId="me", id=new.id).execute()
    gmail_api.messages().delete(userId="me", id=new.id).execute()
    history = [
        record
        for page in pages(gmail_api.history(), userId="me", startHistoryId=begin)
        for record in page.get("history", ())
    ]
    kinds = [sorted(set(record) - {"id", "messages"}) for record in history]
    assert kinds == [["messagesAdded"], ["labelsAdded", "labelsRemoved"], ["labelsRemoved"], ["messagesDeleted"]]
    google.world.expire("gmail", google.admin)
    assert refused(gmail_api.history().list(userId="me", startHistoryId=begin)) == (404, "notFound")


def test_gmail_attachments_and_labels(google: Google) -> None:
    gmail_api = google.service("gmail").users()
    label = gmail_api.labels().create(userId="me", body={"name": "Bills"}).execute()["id"]
    raw = (
        b"From: a@x.example\r\nSubject: Hi\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/plain\r\n\r\nBody\r\n--b\r\nContent-Type: application/pdf; name=a.pdf\r\n"
        b"Content-Disposition: attachment; filename=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.b64encode(b"%PDF") + b"\r\n--b--\r\n"
    )  # fmt: skip
    body = {"raw": base64.urlsafe_b64encode(raw).decode(), "labelIds": ["INBOX", label]}
    made = gmail_api.messages().insert(userId="me", body=body).execute()
    full = gmail_api.messages().get(userId="me", id=made["id"]).execute()
    attachment = full["payload"]["parts"][1]["body"]["attachmentId"]
    found = gmail_api.messages().attachments().get(userId="me", messageId=made["id"], id=attachment).execute()
    assert base64.urlsafe_b64decode(found["data"]) == b"%PDF"
    assert gmail_api.labels().get(userId="me", id=label).execute()["messagesTotal"] == 1
    gmail_api.labels().patch(userId="me", id=label, body={"name": "Invoices 2"}).execute()
    gmail_api.labels().update(userId="me", id=label, body={"name": "Invoices 3"}).execute()
    gmail_api.messages().modify(userId="me", id=made["id"], body={"addLabelIds": ["STARRED"]}).execute()
    gmail_api.messages().batchModify(userId="me", body={"ids": [made["id"]], "removeLabelIds": ["INBOX"]}).execute()
    gmail_api.labels().delete(userId="me", id=label).execute()
    assert label not in [item["id"] for item in gmail_api.labels().list(userId="me").execute()["labels"]]
    gmail_api.messages().import_(userId="me", body={"raw": body["raw"]}).execute()
    gmail_api.messages().batchDelete(userId="me", body={"ids": [made["id"]]}).execute()
    assert refused(gmail_api.messages().get(userId="me", id=made["id"])) == (404, "notFound")


def test_directory(google: Google) -> None:
    admin = google.service("admin")
    google.world.page_cap["admin"] = 2
    users = [u for page in pages(admin.users(), customer="my_customer") for u in page["users"]]
    assert [user["id"] for user in users] == list(google.world.users)
    assert admin.users().get(userKey=users[1]["primaryEmail"]).execute()["id"] == users[1]["id"]
    assert refused(admin.users().list()) == (400, "badRequest")
    google.world.delete_user(google.world.users[users[1]["id"]])
    deleted = admin.users().list(domain=google.world.domain, showDeleted="true").execute()["users"]
    assert [user["id"] for user in deleted] == [users[1]["id"]]
    roles = admin.roles().list(customer="my_customer").execute()["items"]
    held = admin.roleAssignments().list(customer="my_customer").execute()["items"]
    assert held[0]["roleId"] in {role["roleId"] for role in roles}


@pytest.mark.parametrize("path", ["/batch", "/batch/gmail/v1"])
def test_batches_of_the_official_client(google: Google, path: str) -> None:
    messages = google.service("gmail").users().messages()
    ids = [*google.admin.mailbox.mails, "abc"]
    answers: dict[str, Any] = {}

    def note(request_id: str, response: Any, exception: Exception | None) -> None:
        answers[request_id] = exception.resp.status if isinstance(exception, HttpError) else response["id"]

    batch = BatchHttpRequest(callback=note, batch_uri=google.url + path)
    for mail_id in ids:
        batch.add(messages.get(userId="me", id=mail_id, format="minimal"), request_id=mail_id)
    batch.execute()
    assert answers == {mail_id: mail_id if mail_id != "abc" else 404 for mail_id in ids}
    assert google.world.batches == 1


def test_long_queries_come_as_overridden_posts(google: Google) -> None:
    names = [f"people/c{10**17 + number}" for number in range(150)]
    found = google.service("people").people().getBatchGet(resourceNames=names, personFields="names").execute()
    assert len(found["responses"]) == 150


def test_every_method_of_the_simulator_was_driven(request: pytest.FixtureRequest) -> None:
    """A new route needs a test above. Runs when this process ran the whole file, so not under xdist."""
    needed = {item.name for item in request.session.items if item.path == request.path} - {request.node.name}
    if not needed <= RAN or len(needed) < 16:
        pytest.skip("not the whole file in one process")
    apis = (people, calendar, drive, gmail, directory)
    offered = {route.method for api in apis for route in api.ROUTES} - {"drive.downloadUri"}
    assert offered - set(SEEN) == set()
