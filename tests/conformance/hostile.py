"""Connectors that misbehave, one bug each. `HOSTILE`: bug → the check that must catch it. `UNCAUGHT`: no check can."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from syncd.sdk import (
    Account,
    Blob,
    Connector,
    ConnectorInfo,
    Context,
    CursorExpired,
    Forbidden,
    Limits,
    Page,
    Partition,
    ProtocolError,
    RateLimited,
    Record,
    Reject,
    Scan,
    Stream,
    StreamInfo,
    SyncdError,
    Tombstone,
)  # fmt: skip
from syncd.testing.notes import SECRET
from syncd.testing.notes_connector import NO_OPTIONS, Notes, NotesConnector, Tags, document, item_of

HOSTILE: dict[str, tuple[type[Connector], str, str]] = {}
UNCAUGHT: dict[str, type[Connector]] = {}
_kept: list[Any] = []


def hostile(check: str, stream: str = "notes") -> Any:
    """Register a Stream or Connector class with the check that must catch it."""

    def register(made: type) -> type:
        HOSTILE[made.__name__] = (connector_of(made), stream, check)
        return made

    return register


def connector_of(made: type) -> type[Connector]:
    if issubclass(made, Connector):
        return made

    class Hostile(NotesConnector):
        def streams(self) -> Sequence[Stream]:
            return [made()]

    return Hostile


# -- rounds ----------------------------------------------------------------------------------------------------------


@hostile("a_round_can_be_cut_at_every_page")
class ForgetsAPageAtResume(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        pages = [page async for page in super().pages(ctx)]
        for page, following in zip(pages, [*pages[1:], None], strict=True):
            page.resume = page.resume and ((following and following.resume) or page.resume)
            yield page


@hostile("a_round_can_be_cut_at_every_page")
class ForgetsThatItWasADelta(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        async for page in super().pages(ctx):
            if ctx.scan is Scan.DELTA and not page.last:
                page.resume = "sync:0:999999:"
            yield page


@hostile("changes_during_a_round_are_not_lost")
class TakesTheBookmarkAtTheEnd(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        async for page in super().pages(ctx):
            if page.last:
                page.bookmark = f"sync:0:{int(page.bookmark.split(':')[2]) + 1}:"
            yield page


@hostile("full_round_equals_truth")
class HasNoBookmark(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        async for page in super().pages(ctx):
            page.bookmark = None
            yield page


@hostile("full_round_equals_truth")
class BookmarksEarly(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        async for page in super().pages(ctx):
            page.bookmark = page.bookmark or "sync:0:0:"
            yield page


@hostile("full_round_equals_truth")
class KeepsEverythingInTheBookmark(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        async for page in super().pages(ctx):
            page.bookmark = page.bookmark and {"sync": page.bookmark, "seen": ["n" * 30] * 10_000}
            yield page


@hostile("full_round_equals_truth")
class NeverEnds(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        async for page in super().pages(ctx):
            yield Page(page.items, resume=page.resume)
        while True:
            yield Page([])


@hostile("full_round_equals_truth")
class ForgetsToEnd(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        async for page in super().pages(ctx):
            page.last, page.bookmark = False, None
            yield page


@hostile("full_round_equals_truth")
class DropsTheLastPage(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        async for page in super().pages(ctx):
            yield Page([], last=True, bookmark=page.bookmark) if page.last else page


@hostile("full_round_equals_truth")
class ReusesOneList(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        items: list[Any] = []
        async for page in super().pages(ctx):
            items[:] = page.items
            yield Page(items, page.resume, page.last, page.bookmark)


@hostile("full_round_equals_truth")
class SkipsAPartition(Notes):
    async def partitions(self, ctx: Context) -> Sequence[Partition]:
        return (await super().partitions(ctx))[:-1]


@hostile("an_expired_cursor_is_a_non_event")
class SwallowsExpiry(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        try:
            async for page in super().pages(ctx):
                yield page
        except CursorExpired:
            ctx.cursor, ctx.scan = None, Scan.FULL
            async for page in super().pages(ctx):
                yield page


@hostile("an_expired_cursor_is_a_non_event")
class CallsExpiryAProtocolError(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        try:
            async for page in super().pages(ctx):
                yield page
        except CursorExpired as error:
            raise ProtocolError("gone") from error


@hostile("idle_delta_costs_next_to_nothing")
class AsksTwice(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        await self.partitions(ctx)
        async for page in super().pages(ctx):
            yield page


@hostile("idle_delta_costs_next_to_nothing")
class RepeatsTheLastItems(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        if ctx.scan is Scan.DELTA and ctx.cursor:
            name, epoch, _, rest = ctx.cursor.split(":")
            ctx.cursor = f"{name}:{epoch}:0:{rest}"
        async for page in super().pages(ctx):
            yield page


@hostile("accounts_do_not_mix")
class RemembersTheAccount(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        self.account = ctx.account
        await asyncio.sleep(0)
        ctx.account = self.account
        async for page in super().pages(ctx):
            yield page
            ctx.account = self.account


class _OneInstance(NotesConnector):
    notes = RemembersTheAccount()

    def streams(self) -> Sequence[Stream]:
        return [self.notes]


HOSTILE["RemembersTheAccount"] = (_OneInstance, "notes", "accounts_do_not_mix")


# -- items -----------------------------------------------------------------------------------------------------------


class Changed(Notes):
    """Every record passes through `changed`."""

    def changed(self, record: Record, ctx: Context) -> Any:
        return record

    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        async for page in super().pages(ctx):
            items = [self.changed(item, ctx) if isinstance(item, Record) else item for item in page.items]
            page.items = [item for item in items if item is not None]
            yield page


@hostile("full_round_equals_truth")
class NaiveTimes(Changed):
    def changed(self, record: Record, ctx: Context) -> Any:
        record.modified_at = datetime(2026, 1, 1)  # noqa: DTZ001 - the bug
        return record


@hostile("full_round_equals_truth")
class DataIsNotJson(Changed):
    def changed(self, record: Record, ctx: Context) -> Any:
        record.data = {**record.data, "at": datetime(2026, 1, 1)}  # type: ignore[dict-item]  # noqa: DTZ001
        return record


@hostile("full_round_equals_truth")
class PreviousIdsAreOneText(Changed):
    def changed(self, record: Record, ctx: Context) -> Any:
        record.previous_ids = "abc"
        return record


@hostile("no_edit_is_volatile")
class CallsTheTextVolatile(Notes):
    info = StreamInfo("notes", volatile=("changed", "text", "size"), options_schema=NO_OPTIONS)


@hostile("no_edit_is_volatile")
class CallsTheTextVolatileInEachRecord(Changed):
    def changed(self, record: Record, ctx: Context) -> Any:
        record.volatile = ("text", "size")
        return record


@hostile("two_full_rounds_are_equal")
class TagsWithTheTime(Changed):
    def changed(self, record: Record, ctx: Context) -> Any:
        if record.blob:
            record.blob.tag += str(ctx.clock.monotonic())
        return record


@hostile("two_full_rounds_are_equal")
class DataWithTheTime(Changed):
    def changed(self, record: Record, ctx: Context) -> Any:
        record.data = {**record.data, "fetched": str(ctx.clock.now())}  # type: ignore[dict-item]
        return record


@hostile("delta_equals_truth")
class DeltaWithLessData(Changed):
    def changed(self, record: Record, ctx: Context) -> Any:
        if ctx.scan is Scan.DELTA:
            record.data = {key: value for key, value in record.data.items() if key != "tags"}  # type: ignore[union-attr]
        return record


@hostile("delta_equals_truth")
class MissesMoves(Changed):
    def changed(self, record: Record, ctx: Context) -> Any:
        return None if ctx.scan is Scan.DELTA and "!" not in str(record.data) and record.blob is None else record


@hostile("deletions_come_as_declared")
class TombstonesAnotherId(Notes):
    @staticmethod
    def changes(tree: Any) -> Any:
        items = Notes.changes(tree)
        return [Tombstone("x" + item.source_id) if isinstance(item, Tombstone) else item for item in items]


@hostile("deletions_come_as_declared")
class IgnoresDeletions(Notes):
    @staticmethod
    def changes(tree: Any) -> Any:
        return [item for item in Notes.changes(tree) if not isinstance(item, Tombstone)]


@hostile("full_round_equals_truth", "tags")
class SweepsAndReports(Tags):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        async for page in super().pages(ctx):
            page.items = [*page.items, Tombstone("tag-of-old")]
            yield page


# -- provider in trouble ---------------------------------------------------------------------------------------------


@hostile("retryable_knows_a_throttle")
class KnowsNoThrottle(NotesConnector):
    def retryable(self, response: Any) -> None:
        return None


@hostile("a_fault_at_any_request_is_waited_out")
class TakesAThrottleForTheEnd(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        try:
            async for page in super().pages(ctx):
                yield page
        except SyncdError as error:
            if isinstance(error, CursorExpired):
                raise
            yield Page([], last=True, bookmark=ctx.cursor or "sync:0:0:")


@hostile("a_fault_at_any_request_is_waited_out")
class Hammers(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        while True:
            try:
                async for page in super().pages(ctx):
                    yield page
            except RateLimited:
                continue
            return


class _EndsAt(Notes):
    """An error with these words ends the list as if it were complete."""

    words = ""

    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        try:
            async for page in super().pages(ctx):
                yield page
        except (Forbidden, ProtocolError) as error:
            if self.words not in str(error):
                raise
            yield Page([], last=True, bookmark="sync:0:0:" if ctx.scan is Scan.FULL else ctx.cursor)


@hostile("a_refusal_is_no_end_of_a_list")
class TakesForbiddenForTheEnd(_EndsAt):
    words = "answered 403"


@hostile("a_refusal_is_no_end_of_a_list")
class TakesNotFoundForTheEnd(_EndsAt):
    words = "answered 404"


@hostile("a_refusal_is_no_end_of_a_list", "tags")
class TakesABadRequestForTheEnd(Tags):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        try:
            async for page in super().pages(ctx):
                yield page
        except ProtocolError as error:
            if "answered 400" not in str(error):
                raise
            yield Page([], last=True)


@hostile("a_refusal_is_no_end_of_a_list")
class GoesOnBehindARefusedDelta(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        try:
            async for page in super().pages(ctx):
                yield page
        except ProtocolError:
            if ctx.scan is Scan.FULL:
                raise
            yield Page([], last=True, bookmark="sync:0:999999:")


@hostile("malformed_answers_to_listings_do_no_harm")
class DropsWhatItCannotRead(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        async for page in super().pages(ctx):
            page.items = [item for item in page.items if not isinstance(item, Reject)]
            yield page


@hostile("malformed_answers_to_listings_do_no_harm")
class KeyErrorOnNull(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        async for page in super().pages(ctx):
            for item in page.items:
                if isinstance(item, Record):
                    assert isinstance(item.data, dict)
                    item.name = item.data["title"].upper()
            yield page


@hostile("malformed_answers_to_listings_do_no_harm")
class TrustsJson(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        assert ctx.account
        assert ctx.partition
        home = f"{ctx.settings['root']}/users/{ctx.account.id}/notebooks/{ctx.partition.id}/notes"
        (await ctx.http.get(home)).json()
        async for page in super().pages(ctx):
            yield page


@hostile("malformed_answers_to_listings_do_no_harm", "tags")
class BelievesEverything(Tags):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        assert ctx.account is not None
        offset = 0
        while True:
            query = {"offset": offset}
            tree = document(await ctx.http.get(f"{ctx.settings['root']}/users/{ctx.account.id}/tags", params=query))
            tags = tree.get("tags") if isinstance(tree.get("tags"), list) else []
            offset += len(tags)
            last = not isinstance(tree.get("total"), int) or offset >= tree["total"] or not tags
            yield Page([item_of(tag) for tag in tags], last=last)
            if last:
                return


@hostile("malformed_answers_to_listings_do_no_harm")
class FollowsTheSamePageForEver(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        if ctx.scan is Scan.DELTA:
            async for page in super().pages(ctx):
                yield page
            return
        assert ctx.account
        assert ctx.partition
        home = f"{ctx.settings['root']}/users/{ctx.account.id}/notebooks/{ctx.partition.id}/notes"
        place = ctx.cursor
        while True:
            tree = document(await ctx.http.get(home, params={"page": place} if place else {}))
            place, items = tree.get("next"), [item_of(note) for note in tree.get("notes") or []]
            yield Page(items, resume=place, last=place is None, bookmark=tree.get("sync"))
            if place is None:
                return


@hostile("malformed_answers_to_the_rest_do_no_harm")
class LosesAccountsInSilence(NotesConnector):
    async def accounts(self, ctx: Context) -> AsyncIterator[Account]:
        try:
            async for account in super().accounts(ctx):
                yield account
        except ProtocolError:
            return


@hostile("the_sources_own_troubles_do_no_harm")
class LosesAnItemWithoutAnId(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        async for page in super().pages(ctx):
            page.items = [item for item in page.items if not isinstance(item, Reject)]
            yield page


# -- hygiene -----------------------------------------------------------------------------------------------------------


@hostile("cancelling_leaves_nothing_behind")
class LeavesTasks(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        async for page in super().pages(ctx):
            _kept.append(asyncio.ensure_future(asyncio.sleep(3600)))
            yield page


@hostile("cancelling_leaves_nothing_behind")
class SwallowsCancelling(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        try:
            async for page in super().pages(ctx):
                yield page
        except asyncio.CancelledError:
            yield Page([], last=True, bookmark="sync:0:0:")


@hostile("cancelling_leaves_nothing_behind")
class LeavesAnswersOpen(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        request = ctx.http.build_request("GET", f"{ctx.settings['root']}/users")
        _kept.append(await ctx.http.send(request, stream=True))
        async for page in super().pages(ctx):
            yield page


@hostile("the_event_loop_is_never_blocked")
class Blocks(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        time.sleep(0.3)  # noqa: ASYNC251 - the bug
        async for page in super().pages(ctx):
            yield page


@hostile("memory_stays_flat")
class KeepsAllPages(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        pages = []
        async for page in super().pages(ctx):
            pages.append(page)
            yield page


@hostile("secrets_stay_secret")
class SecretInData(Changed):
    def changed(self, record: Record, ctx: Context) -> Any:
        record.data = {**record.data, "link": f"{ctx.settings['root']}?key={SECRET}"}  # type: ignore[dict-item]
        return record


@hostile("secrets_stay_secret")
class SecretInTheLog(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        ctx.log.info("reading", secret=ctx.settings["client_secret"].reveal())
        async for page in super().pages(ctx):
            yield page


@hostile("secrets_stay_secret")
class SecretInTheResume(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        if isinstance(ctx.cursor, dict):
            ctx.cursor = ctx.cursor["place"]
        async for page in super().pages(ctx):
            page.resume = page.resume and {"place": page.resume, "with": SECRET}
            yield page


@hostile("secrets_stay_secret")
class SecretInAnError(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        try:
            async for page in super().pages(ctx):
                yield page
        except ProtocolError as error:
            raise ProtocolError(f"{error} (signed in with {ctx.settings['client_secret'].reveal()})") from error


@hostile("credentials_stay_at_home")
class FollowsAnyLink(NotesConnector):
    def origins(self, settings: Mapping[str, Any]) -> Any:
        return None

    def streams(self) -> Sequence[Stream]:
        return [_FollowsAnyLink()]


class _FollowsAnyLink(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        assert ctx.account
        assert ctx.partition
        url = f"{ctx.settings['root']}/users/{ctx.account.id}/notebooks/{ctx.partition.id}/notes"
        while url:
            tree = document(await ctx.http.get(url))
            url = tree.get("more") or ""
            items = [item_of(note) for note in tree.get("notes", [])]
            yield Page(items, resume=None, last=not url, bookmark=None if url else tree.get("sync", ""))


# -- declared abilities and contents -------------------------------------------------------------------------------------


@hostile("info_is_sane")
class ForgetsToMarkASecret(NotesConnector):
    info = ConnectorInfo(
        "notes", limits=Limits(), settings_schema={
            "type": "object", "additionalProperties": False,
            "properties": {"root": {"type": "string"}, "client_secret": {"type": "string"}},
        },
    )  # fmt: skip


@hostile("info_is_sane")
class LimitIsAText(NotesConnector):
    info = replace(NotesConnector.info, limits=Limits(requests_per_second="5"))  # type: ignore[arg-type]


@hostile("info_is_sane")
class RefusesEmptyOptions(Notes):
    info = StreamInfo("notes", options_schema={**NO_OPTIONS, "required": ["colour"]})


@hostile("info_is_sane", "tags")
class ReportsWithoutDelta(Tags):
    info = StreamInfo("tags", scans={Scan.FULL})


@hostile("accounts_are_complete")
class FirstPageOfAccounts(NotesConnector):
    async def accounts(self, ctx: Context) -> AsyncIterator[Account]:
        found = [account async for account in super().accounts(ctx)]
        for account in found[:2]:
            yield account


@hostile("accounts_are_complete")
class RemembersAddresses(NotesConnector):
    addresses: dict[str, str] = {}

    async def accounts(self, ctx: Context) -> AsyncIterator[Account]:
        async for account in super().accounts(ctx):
            address = self.addresses.setdefault(account.id, account.address)
            yield Account(account.id, address, account.name, state=account.state)


@hostile("contents_are_what_was_said")
class CutsContent(Notes):
    async def fetch(self, ctx: Context, blob: Blob) -> AsyncIterator[bytes]:
        async for chunk in super().fetch(ctx, blob):
            yield chunk[:-1]


@hostile("fetch_many_answers_once_per_blob")
class LosesABlob(Notes):
    async def fetch_many(self, ctx: Context, blobs: Sequence[Blob]) -> AsyncIterator[tuple[Blob, bytes | SyncdError]]:
        async for answer in super().fetch_many(ctx, blobs[1:]):
            yield answer


@hostile("get_answers_once_per_id")
class HasNoAnswerForTheDeleted(Notes):
    async def get(self, ctx: Context, ids: Sequence[str]) -> AsyncIterator[Record | Tombstone | Reject]:
        async for item in super().get(ctx, ids):
            if not isinstance(item, Tombstone):
                yield item


# -- what the suite cannot catch -------------------------------------------------------------------------------------


class SecretInDisguise(Changed):
    """A secret that was encoded, encrypted or cut is not found in the data."""

    def changed(self, record: Record, ctx: Context) -> Record:
        record.data = {**record.data, "proof": base64.b64encode(SECRET.encode()).decode()}  # type: ignore[dict-item]
        return record

    async def get(self, ctx: Context, ids: Sequence[str]) -> AsyncIterator[Record | Tombstone | Reject]:
        async for item in super().get(ctx, ids):
            yield self.changed(item, ctx) if isinstance(item, Record) else item

    async def create(self, ctx: Context, *args: Any, **more: Any) -> Record:
        return self.changed(await super().create(ctx, *args, **more), ctx)

    async def update(self, ctx: Context, *args: Any, **more: Any) -> Record:
        return self.changed(await super().update(ctx, *args, **more), ctx)


class LosesTheThousandthItem(Notes):
    """A bug at a size that the source does not have."""

    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        count = 0
        async for page in super().pages(ctx):
            count += len(page.items)
            if count > 1000:
                page.items = page.items[:-1]
            yield page


UNCAUGHT.update({made.__name__: connector_of(made) for made in (SecretInDisguise, LosesTheThousandthItem)})
