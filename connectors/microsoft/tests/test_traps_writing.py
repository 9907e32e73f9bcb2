"""The traps of the wire reference §18 that concern writing and change notifications, by number."""

import orjson
import pytest
from office import ANA, HOOK, NINE, SECRET, TEN, Office, data, meeting, when
from syncd_microsoft.event_write import sendable

from syncd.sdk import Forbidden, Partition, Transient, VersionConflict

pytestmark = pytest.mark.anyio


async def test_trap_37_writes_stay_within_what_a_mailbox_bears(office: Office) -> None:
    office.world.latency = 0.001
    ctx = office.context("contacts")
    stream = office.stream("contacts")
    await ctx.gather(stream.create(ctx, ANA, idempotency_key=f"k{number}") for number in range(12))
    assert office.world.most_at_once[office.user.id] <= 4
    assert len(office.asked("POST /users/{u}/contacts")) == 12


async def test_trap_40_nobody_is_invited_by_what_a_mirror_writes(office: Office) -> None:
    guests = [{"type": "required", "emailAddress": {"name": "Bob <b>", "address": "bob@elsewhere.example"}}]
    body = {"contentType": "html", "content": "<html><body><p>Agenda</p></body></html>"}
    made = await office.create("calendar", meeting(attendees=guests, body=body))
    assert data(made)["attendees"] == []
    assert "Attendees: Bob &lt;b&gt; &lt;bob@elsewhere.example&gt;</p></body>" in data(made)["body"]["content"]
    alone = await office.create("calendar", meeting(attendees=guests), "k2")
    assert "bob@elsewhere.example" in data(alone)["bodyPreview"]
    await office.update("calendar", made.source_id, {"attendees": guests, "subject": "New"}, made.etag)
    await office.delete("calendar", made.source_id)
    assert office.world.outbox == []


async def test_trap_40_a_meeting_with_attendees_is_not_deleted(office: Office) -> None:
    event = office.editor.add_event(office.user)
    event.fields["attendees"] = [{"type": "required", "emailAddress": {"address": "bob@elsewhere.example"}}]
    with pytest.raises(Forbidden, match="cancellations"):
        await office.delete("calendar", event.id)
    assert event.id in event.calendar.events
    event.fields["isOrganizer"] = False  # somebody else's meeting: only the copy goes
    await office.delete("calendar", event.id)
    assert office.world.outbox == []


@pytest.mark.parametrize("stream", ["contacts", "calendar"])
async def test_trap_41_a_create_whose_answer_is_lost_leaves_one_item(office: Office, stream: str) -> None:
    what, item = ("contacts", ANA) if stream == "contacts" else ("events", meeting())
    office.world.faults.reset(done=True, method=f"POST /users/{{u}}/{what}")
    try:
        record = await office.create(stream, item)
    except Transient:
        assert stream == "calendar"  # where repeating is the client's business: it is as good as once
        record = await office.create(stream, item)
    items = [one for kept in office.world.snapshot(office.user, stream).values() for one in kept]
    assert items.count(record.source_id) == 1
    assert (await office.create(stream, item)).source_id == record.source_id


async def test_trap_41_the_client_itself_repeats_the_create_of_an_event(office: Office) -> None:
    office.world.faults.reset(done=True, method="POST /users/{u}/events")
    patient = office.context("calendar", tries=3)
    made = await office.stream("calendar").create(patient, meeting(), idempotency_key="k1")
    assert list(office.user.calendars.default.events).count(made.source_id) == 1
    assert [one.status for one in office.asked("POST /users/{u}/events")] == [201, 201]


async def test_trap_41_a_repeated_create_that_is_refused_finds_the_first(office: Office) -> None:
    office.user.calendars.repeat_conflicts = True
    first = await office.create("calendar", meeting())
    assert (await office.create("calendar", meeting())).source_id == first.source_id
    assert [one.status for one in office.asked("POST /users/{u}/events")] == [201, 409]


@pytest.mark.parametrize("stream", ["contacts", "calendar"])
async def test_trap_42_a_stale_version_is_a_conflict_and_overwrites_nothing(office: Office, stream: str) -> None:
    item, theirs, ours = (
        (ANA, {"jobTitle": "Dr"}, {"companyName": "Acme"})
        if stream == "contacts"
        else (meeting(), {"subject": "Theirs"}, {"showAs": "free"})
    )
    made = await office.create(stream, item)
    newer = await office.update(stream, made.source_id, theirs, made.etag)
    with pytest.raises(VersionConflict):
        await office.update(stream, made.source_id, ours, made.etag)
    with pytest.raises(VersionConflict):
        await office.delete(stream, made.source_id, made.etag)
    (now,) = await office.get(stream, made.source_id)
    assert now.etag == newer.etag
    merged = await office.update(stream, made.source_id, ours, now.etag)
    assert {name: data(merged)[name] for name in theirs | ours} == theirs | ours


@pytest.mark.parametrize("stream", ["contacts", "calendar"])
async def test_trap_43_own_writes_come_back_as_they_were_answered(office: Office, stream: str) -> None:
    box = office.user
    partition = box.mailbox.default_contacts if stream == "contacts" else box.calendars.default.id
    _, bookmark = await office.listed(stream, partition)
    made = await office.create(stream, ANA if stream == "contacts" else meeting())
    back, bookmark = await office.listed(stream, partition, bookmark)
    echo = back.pop(made.source_id)
    assert back == {}
    assert (echo.etag, data(echo), echo.summary) == (made.etag, data(made), made.summary)
    changed = await office.update(stream, made.source_id, {"categories": ["x"]}, made.etag)
    back, _ = await office.listed(stream, partition, bookmark)
    assert (back[made.source_id].etag, data(back[made.source_id])) == (changed.etag, data(changed))


def test_trap_45_zones_are_written_by_windows_names_or_as_instants() -> None:
    written = sendable({"start": when(NINE, "Europe/Paris"), "end": when(TEN, "Europe/Madrid")})
    assert written["start"] == when(NINE, "Romance Standard Time")
    assert written["end"] == when("2026-11-24T09:00:00")
    kept = sendable({"isAllDay": True, "start": when("2026-11-24T00:00:00", "Europe/Madrid")})
    assert kept["start"]["timeZone"] == "Europe/Madrid"


async def test_trap_46_the_end_is_what_microsoft_says_and_renewed_before(office: Office) -> None:
    office.world.subscriptions.most_minutes, office.world.subscriptions.capped = 60, True
    kept = await office.stream("contacts").subscribe(office.context("contacts"), HOOK, SECRET)
    assert kept["expires_at"] == "2026-11-21T13:00:00Z"
    assert kept["renew_at"] == "2026-11-21T12:30:00Z"
    office.world.clock.advance(1800)
    later = await office.stream("contacts").renew(office.context("contacts"), kept)
    assert (later["id"], later["expires_at"], later["renew_at"]) == (
        kept["id"],
        "2026-11-21T13:30:00Z",
        "2026-11-21T13:00:00Z",
    )


@pytest.mark.parametrize("most", [None, 4230])
@pytest.mark.parametrize("stream", ["contacts", "calendar", "mail"])
async def test_trap_46_no_edition_refuses_the_life_that_is_asked_for(
    office: Office, stream: str, most: int | None
) -> None:
    office.world.subscriptions.most_minutes = most
    assert (await office.stream(stream).subscribe(office.context(stream), HOOK, SECRET))["id"]


@pytest.mark.parametrize(
    ("event", "asks"), [("missed", None), ("subscriptionRemoved", "subscribe"), ("reauthorizationRequired", "renew")]
)
async def test_trap_47_what_was_missed_leads_to_a_look_and_what_was_removed_to_a_new_one(
    office: Office, event: str, asks: str | None
) -> None:
    stream = office.stream("calendar")
    kept = await stream.subscribe(office.context("calendar"), HOOK, SECRET)
    office.world.subscriptions.lifecycle(kept["id"], event)
    (call,) = await office.deliver()
    assert stream.verify({}, call, kept, SECRET)  # a look, at once
    assert stream.upkeep({}, call, kept, SECRET) == asks
    renewed = await stream.renew(office.context("calendar"), kept)
    assert (renewed is None) == (event == "subscriptionRemoved")


async def test_trap_47_a_subscription_that_ended_unheard_is_told_by_its_renewal(office: Office) -> None:
    stream = office.stream("mail")
    kept = await stream.subscribe(office.context("mail"), HOOK, SECRET)
    office.world.clock.advance(8 * 86400)
    assert await stream.renew(office.context("mail"), kept) is None
    await stream.unsubscribe(office.context("mail"), kept)
    again = await stream.subscribe(office.context("mail"), HOOK, SECRET)
    assert again["id"] != kept["id"]


@pytest.mark.parametrize("by", ["user", "drive"])
async def test_trap_48_a_drive_is_watched_for_updates_and_its_calls_say_no_more(office: Office, by: str) -> None:
    stream = office.stream("files")
    more = {"partition": Partition(office.user.drive.id)} if by == "drive" else {}
    kept = await stream.subscribe(office.context("files", **more), HOOK, SECRET)
    (one,) = office.world.subscriptions.living.values()
    assert (one.changes, one.watched.drive) == ({"updated"}, office.user.drive)
    office.editor.add_file(office.user)
    (call,) = await office.deliver()
    assert "id" not in orjson.loads(call)["value"][0]["resourceData"]
    assert stream.verify({}, call, kept, SECRET)
