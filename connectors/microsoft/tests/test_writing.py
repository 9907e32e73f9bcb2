"""Writing contacts and events, and being told of changes, against the simulated Microsoft (wire reference §13 to §16)."""

from typing import Any

import orjson
import pytest
from office import ANA, HOOK, NINE, SECRET, TEN, Office, data, meeting, when
from syncd_microsoft.event_place import calendar_of
from syncd_microsoft.event_write import sendable
from syncd_microsoft.writing import holds

from syncd.sdk import (
    AccountGone,
    Forbidden,
    Partition,
    PartitionGone,
    ProtocolError,
    RateLimited,
    Record,
    VersionConflict,
)

pytestmark = pytest.mark.anyio

# -- contacts


async def test_a_contact_is_made_in_the_folder_that_is_the_partition(office: Office) -> None:
    folder = office.editor.add_contact_folder(office.user)
    record = await office.create("contacts", ANA, partition=Partition(folder.id))
    (kept,) = folder.items.values()
    assert (record.source_id, data(record)["displayName"]) == (kept.key, "Ana Paz")
    other = await office.create("contacts", ANA, "k2")
    assert data(other)["parentFolderId"] == office.user.mailbox.default_contacts


async def test_what_the_server_keeps_by_itself_is_not_sent(office: Office) -> None:
    made = await office.create("contacts", ANA)
    again = await office.create("contacts", {**data(made), "primaryEmailAddress": None}, "k2")
    assert again.source_id != made.source_id


async def test_a_contact_made_twice_with_one_key_is_one(office: Office) -> None:
    first = await office.create("contacts", ANA, "it's a 'key'")
    assert (await office.create("contacts", ANA, "it's a 'key'")).source_id == first.source_id
    assert len(office.asked("POST /users/{u}/contacts")) == 1


async def test_an_update_is_sparse(office: Office) -> None:
    made = await office.create("contacts", ANA)
    changed = await office.update("contacts", made.source_id, {"jobTitle": "CEO"}, made.etag)
    assert (data(changed)["jobTitle"], data(changed)["surname"]) == ("CEO", "Paz")
    assert changed.etag != made.etag


# -- versions


async def test_an_update_that_got_through_before_is_no_conflict(office: Office) -> None:
    made = await office.create("calendar", meeting())
    change = {
        "subject": "Moved",
        "start": when("2026-11-24T08:30:00", "Romance Standard Time"),
        "end": when("2026-11-24T11:00:00", "Europe/Madrid"),
        "body": {"contentType": "text", "content": "a < b"},
        "location": {"displayName": "Café"},
    }
    first = await office.update("calendar", made.source_id, change, made.etag)
    again = await office.update("calendar", made.source_id, change, made.etag)
    assert again.etag == first.etag


@pytest.mark.parametrize("etag", [True, False])
async def test_a_transient_412_is_tried_once_more(office: Office, etag: bool) -> None:
    made = await office.create("contacts", ANA)
    office.world.faults.answer("conflict_412", method="PATCH *", times=1)
    changed = await office.update("contacts", made.source_id, {"title": "Dr"}, made.etag if etag else None)
    assert data(changed)["title"] == "Dr"
    office.world.faults.answer("conflict_412", method="PATCH *", times=2)
    with pytest.raises(VersionConflict):
        await office.update("contacts", made.source_id, {"title": "Prof"}, changed.etag if etag else None)


@pytest.mark.parametrize("stream", ["contacts", "calendar"])
async def test_what_is_gone_cannot_be_updated_and_needs_no_deleting(office: Office, stream: str) -> None:
    made = await office.create(stream, ANA if stream == "contacts" else meeting())
    await office.delete(stream, made.source_id, made.etag)
    await office.delete(stream, made.source_id, made.etag)
    with pytest.raises(VersionConflict, match="not there any more"):
        await office.update(stream, made.source_id, {}, made.etag)


async def test_a_delete_is_of_the_version_that_was_looked_at(office: Office) -> None:
    made = await office.create("contacts", ANA)
    office.world.faults.answer("conflict_412", method="DELETE *", times=1)
    await office.delete("contacts", made.source_id)
    assert len(office.asked("DELETE /users/{u}/contacts")) == 2


# -- refusals


async def test_a_missing_permission_is_named(office: Office) -> None:
    office.world.permissions = {"Contacts.Read", "Calendars.Read"}
    with pytest.raises(Forbidden, match=r"Contacts\.ReadWrite is needed"):
        await office.create("contacts", ANA)
    with pytest.raises(Forbidden, match=r"Calendars\.ReadWrite is needed"):
        await office.create("calendar", meeting())


async def test_a_calendar_of_others_that_is_shared_for_reading_cannot_be_written(office: Office) -> None:
    other = list(office.world.users.values())[1]
    office.editor.share_calendar(other, office.user, other.calendars.default)
    (shared,) = office.user.calendars.shared
    with pytest.raises(Forbidden, match="the right to write there"):
        await office.create("calendar", meeting(), partition=Partition(shared))


@pytest.mark.parametrize("stream", ["contacts", "calendar"])
async def test_a_folder_that_is_gone_is_a_partition_that_is_gone(office: Office, stream: str) -> None:
    with pytest.raises(PartitionGone):
        await office.create(
            stream, ANA if stream == "contacts" else meeting(), partition=Partition("AAMkAD" + "x" * 60)
        )


async def test_a_person_without_mailbox_has_nothing_to_write_to(office: Office) -> None:
    office.user.mailbox_trouble = "not_enabled"
    with pytest.raises(AccountGone):
        await office.create("calendar", meeting())


async def test_a_throttled_write_waits(office: Office) -> None:
    office.world.faults.answer("throttled", method="POST *", retry_after=7, times=2)
    with pytest.raises(RateLimited) as caught:
        await office.create("calendar", meeting())
    assert caught.value.retry_after == 7
    patient = office.context("calendar", tries=3)
    await office.stream("calendar").create(patient, meeting(), idempotency_key="k1")
    assert [one.status for one in office.asked("POST /users/{u}/events")] == [429, 429, 201]


# -- events


async def test_an_event_is_made_in_the_calendar_that_is_the_partition(office: Office) -> None:
    calendar = office.editor.add_calendar(office.user)
    record = await office.create("calendar", meeting(), partition=Partition(calendar.id))
    assert list(calendar.events) == [record.source_id]
    assert (await office.create("calendar", meeting(), "k2")).source_id in office.user.calendars.default.events


async def test_a_series_as_it_was_read_can_be_written(office: Office) -> None:
    series = office.editor.add_series(office.user)
    (read,) = await office.get("calendar", series.id)
    made = await office.create("calendar", data(read))
    assert made.source_id != series.id
    before, after = data(read)["recurrence"], data(made)["recurrence"]
    assert (after["pattern"], data(made)["cancelledOccurrences"]) == (before["pattern"], [])
    changed = await office.update("calendar", made.source_id, {"subject": "All"}, made.etag)
    assert changed.partial


async def test_one_occurrence_is_changed_and_called_off(office: Office) -> None:
    series = office.editor.add_series(office.user)
    where = f"/v1.0/users/{office.user.id}/events/{series.id}/instances?startDateTime=2026-01-01&endDateTime=2028-01-01"
    ctx = office.context("calendar")
    answer = await ctx.http.get(f"http://127.0.0.1:9000{where}", headers={"Prefer": 'IdType="ImmutableId"'})
    first, second = [one["id"] for one in answer.json()["value"]][:2]
    changed = await office.update("calendar", first, {"subject": "Only this"})
    assert (changed.parent, data(changed)["type"], data(changed)["subject"]) == (series.id, "exception", "Only this")
    await office.delete("calendar", second)
    assert len(series.cancelled) >= 1


def test_placeholders_of_a_rule_are_left_out() -> None:
    pattern = {"type": "weekly", "interval": 1, "month": 0, "dayOfMonth": 0, "daysOfWeek": ["monday"], "index": "first"}
    span = {"type": "noEnd", "startDate": "2026-01-05", "endDate": "0001-01-01", "recurrenceTimeZone": ""}
    assert sendable({"recurrence": {"pattern": pattern, "range": span}})["recurrence"] == {
        "pattern": {"type": "weekly", "interval": 1, "daysOfWeek": ["monday"]},
        "range": {"type": "noEnd", "startDate": "2026-01-05"},
    }
    strange = {"pattern": {"type": "lunar", "phase": 1}, "range": {"type": "numbered", "numberOfOccurrences": 3}}
    assert sendable({"recurrence": strange})["recurrence"] == strange


def test_of_two_places_the_longer_list_counts() -> None:
    one, many = {"displayName": "A"}, [{"displayName": "A"}, {"displayName": "B"}]
    assert sendable({"location": one, "locations": many}) == {"locations": many}
    assert sendable({"location": one, "locations": []}) == {"location": one}


def test_values_are_the_same_whatever_the_server_adds() -> None:
    assert holds({"a": None, "b": [], "c": {"x": 1}}, {"c": {"x": 1, "y": 2}})
    assert not holds({"a": [1, 2]}, {"a": [1]})
    assert not holds({"start": when(NINE)}, {"start": when(TEN)})
    with pytest.raises(ProtocolError):
        holds({"start": "soon"}, {"start": when(NINE)})


# -- where an event is


async def test_an_event_that_is_asked_for_names_its_calendar(office: Office) -> None:
    other = office.editor.add_calendar(office.user)
    event = office.editor.add_event(office.user, office.user.calendars.default)
    office.editor.move_event(office.user, event, other)
    (found,) = await office.get("calendar", event.id, partition=office.user.calendars.default.id)
    assert isinstance(found, Record)
    assert found.partition == other.id
    assert not any("navigationLink" in key for key in data(found))


@pytest.mark.parametrize(
    ("link", "found"),
    [
        ("https://graph.microsoft.com/v1.0/users('a')/calendars('AA%3D=')", "AA=="),
        ("https://graph.microsoft.com/v1.0/users/a/calendars/AA=", "AA="),
        ("https://graph.microsoft.com/v1.0/users('a')/calendar", None),
        (7, None),
        (None, None),
    ],
)
def test_a_calendar_is_read_off_its_link(link: Any, found: str | None) -> None:
    assert calendar_of({"calendar@odata.navigationLink": link}) == found


# -- notifications


@pytest.mark.parametrize("stream", ["contacts", "calendar", "mail"])
async def test_a_change_is_told_to_the_subscription_that_it_is_for(office: Office, stream: str) -> None:
    kept = await office.stream(stream).subscribe(office.context(stream), HOOK, SECRET)
    assert SECRET not in str(kept)
    office.editor.random_edit({"contacts": "contacts", "calendar": "calendar", "mail": "mail"}[stream], office.user)
    {"contacts": office.editor.add_contact, "calendar": office.editor.add_event, "mail": office.editor.add_mail}[
        stream
    ](office.user)
    (call,) = await office.deliver()
    verify = office.stream(stream).verify
    assert verify({}, call, kept, SECRET)
    assert not verify({}, call, kept, "another")
    assert not verify({}, call, {**kept, "id": "another"}, SECRET)
    assert office.stream(stream).upkeep({}, call, kept, SECRET) is None
    await office.stream(stream).unsubscribe(office.context(stream), kept)
    assert office.world.subscriptions.living == {}
    await office.stream(stream).unsubscribe(office.context(stream), kept)


async def test_ids_in_notifications_are_immutable(office: Office) -> None:
    await office.stream("contacts").subscribe(office.context("contacts"), HOOK, SECRET)
    contact = office.editor.add_contact(office.user)
    (call,) = await office.deliver()
    assert orjson.loads(call)["value"][0]["resourceData"]["id"] == contact.key


async def test_a_call_may_mix_good_and_forged_entries(office: Office) -> None:
    contacts, calendar = office.stream("contacts"), office.stream("calendar")
    one = await contacts.subscribe(office.context("contacts"), HOOK, SECRET)
    two = await calendar.subscribe(office.context("calendar"), HOOK, SECRET)
    office.editor.add_contact(office.user)
    office.editor.add_event(office.user)
    (call,) = await office.deliver()
    assert contacts.verify({}, call, one, SECRET)
    assert calendar.verify({}, call, two, SECRET)
    forged = [{"subscriptionId": one["id"], "clientState": "guess", "lifecycleEvent": "subscriptionRemoved"}]
    forged += [{"subscriptionId": one["id"]}, None, {"subscriptionId": one["id"], "clientState": "é"}]
    mixed = orjson.dumps({"value": [*forged, *orjson.loads(call)["value"]]})
    assert contacts.verify({}, mixed, one, SECRET)
    assert contacts.upkeep({}, mixed, one, SECRET) is None
    for rubbish in (b"", b"[]", b"{}", b'{"value": {}}', b"\xff", orjson.dumps({"value": forged})):
        assert not contacts.verify({}, rubbish, one, SECRET)


async def test_an_address_that_microsoft_cannot_reach_is_told_with_what_to_do(office: Office) -> None:
    office.world.subscriptions.transport = None  # nobody answers on that port
    with pytest.raises(ProtocolError, match="validation request failed") as caught:
        await office.stream("contacts").subscribe(office.context("contacts"), "http://127.0.0.1:9/hook", SECRET)
    assert "within 10 seconds" in str(caught.value.hint)


async def test_refused_subscriptions_say_why(office: Office) -> None:
    office.world.permissions = {"Files.Read.All"}
    with pytest.raises(Forbidden, match=r"Files\.ReadWrite\.All is needed"):
        await office.stream("files").subscribe(office.context("files"), HOOK, SECRET)
    office.user.mailbox_trouble = "not_enabled"
    with pytest.raises(AccountGone):
        await office.stream("mail").subscribe(office.context("mail"), HOOK, SECRET)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("validationToken=Validation%3a+Testing+a%2bb%2520c", "Validation: Testing a+b%20c"),
        ("for=acme&validationToken=x", "x"),
        ("for=acme", None),
        ("", None),
    ],
)
def test_a_validation_token_is_decoded_once(query: str, text: str | None) -> None:
    assert Office().stream("mail").handshake(query) == text
