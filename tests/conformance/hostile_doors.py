"""Connectors that misbehave where they write, subscribe, print and wait, one bug each; registered in `hostile.HOSTILE`."""

import contextlib
import json
import logging
import time
import warnings
from collections.abc import AsyncIterator, Mapping

from hostile import _kept, hostile

from syncd.sdk import JSON, Account, Context, Forbidden, Page, ProtocolError, Record, VersionConflict
from syncd.testing.notes_connector import Notes, NotesConnector, document, send

# -- writing -----------------------------------------------------------------------------------------------------------


@hostile("a_write_is_what_was_said")
class CreatesNothing(Notes):
    async def create(self, ctx: Context, data: Mapping[str, JSON], *, idempotency_key: str) -> Record:
        return Record("made-up", dict(data), etag="1")


@hostile("a_write_is_what_was_said")
class ReturnsWhatWasSent(Notes):
    async def create(self, ctx: Context, data: Mapping[str, JSON], *, idempotency_key: str) -> Record:
        made = await super().create(ctx, data, idempotency_key=idempotency_key)
        return Record(made.source_id, dict(data), etag=made.etag)


@hostile("a_write_is_what_was_said")
class WritesHalf(Notes):
    async def create(self, ctx: Context, data: Mapping[str, JSON], *, idempotency_key: str) -> Record:
        return await super().create(ctx, {**data, "text": ""}, idempotency_key=idempotency_key)


@hostile("a_write_is_what_was_said")
class UpdatesNothing(Notes):
    async def update(
        self, ctx: Context, source_id: str, data: Mapping[str, JSON], *, etag: str | None, idempotency_key: str
    ) -> Record:
        (record,) = [item async for item in self.get(ctx, [source_id]) if isinstance(item, Record)]
        return record


@hostile("a_write_is_what_was_said")
class DeletesNothing(Notes):
    async def delete(self, ctx: Context, source_id: str, *, etag: str | None, idempotency_key: str) -> None:
        return


@hostile("a_write_is_what_was_said")
class CannotDeleteTwice(Notes):
    async def delete(self, ctx: Context, source_id: str, *, etag: str | None, idempotency_key: str) -> None:
        assert ctx.account
        path = f"/users/{ctx.account.id}/notes/{source_id}"
        document(await send(ctx, "DELETE", path, None, idempotency_key, etag))


@hostile("a_write_repeated_has_the_effect_of_one")
class CreatesTwice(Notes):
    async def create(self, ctx: Context, data: Mapping[str, JSON], *, idempotency_key: str) -> Record:
        return await super().create(ctx, data, idempotency_key=str(ctx.clock.now()) + str(time.monotonic_ns()))


@hostile("a_write_repeated_has_the_effect_of_one")
class TakesALostAnswerForAConflict(Notes):
    async def update(
        self, ctx: Context, source_id: str, data: Mapping[str, JSON], *, etag: str | None, idempotency_key: str
    ) -> Record:
        key = str(time.monotonic_ns())
        return await super().update(ctx, source_id, data, etag=etag, idempotency_key=key)


@hostile("a_stale_etag_is_a_conflict")
class OverwritesWhatItHasNotSeen(Notes):
    async def update(
        self, ctx: Context, source_id: str, data: Mapping[str, JSON], *, etag: str | None, idempotency_key: str
    ) -> Record:
        return await super().update(ctx, source_id, data, etag=None, idempotency_key=idempotency_key)


@hostile("a_stale_etag_is_a_conflict")
class DeletesWhatItHasNotSeen(Notes):
    async def delete(self, ctx: Context, source_id: str, *, etag: str | None, idempotency_key: str) -> None:
        await super().delete(ctx, source_id, etag=None, idempotency_key=idempotency_key)


@hostile("a_stale_etag_is_a_conflict")
class TakesAConflictForARefusal(Notes):
    async def update(
        self, ctx: Context, source_id: str, data: Mapping[str, JSON], *, etag: str | None, idempotency_key: str
    ) -> Record:
        try:
            return await super().update(ctx, source_id, data, etag=etag, idempotency_key=idempotency_key)
        except VersionConflict as error:
            raise Forbidden(str(error)) from error


@hostile("a_write_that_fails_is_an_error")
class DeletesInVain(Notes):
    async def delete(self, ctx: Context, source_id: str, *, etag: str | None, idempotency_key: str) -> None:
        with contextlib.suppress(Forbidden):
            await super().delete(ctx, source_id, etag=etag, idempotency_key=idempotency_key)


@hostile("a_write_that_fails_is_an_error")
class SecretInAWritesError(Notes):
    async def create(self, ctx: Context, data: Mapping[str, JSON], *, idempotency_key: str) -> Record:
        try:
            return await super().create(ctx, data, idempotency_key=idempotency_key)
        except (Forbidden, ProtocolError) as error:
            raise ProtocolError(f"{error}: {ctx.settings['client_secret'].reveal()}") from error


# -- notifications -----------------------------------------------------------------------------------------------------


@hostile("a_forged_notification_is_refused")
class BelievesEveryCall(Notes):
    def verify(self, headers: Mapping[str, str], body: bytes, subscription: JSON, secret: str) -> bool:
        return True


@hostile("a_forged_notification_is_refused")
class BelievesWhoeverSigns(Notes):
    """It looks whether there is a signature, and at the subscription's id: both can be made up."""

    def verify(self, headers: Mapping[str, str], body: bytes, subscription: JSON, secret: str) -> bool:
        return "Notes-Signature" in headers and str(subscription["id"]).encode() in body


@hostile("a_forged_notification_is_refused")
class BelievesCallsForOthers(Notes):
    """Every genuine call of the provider, whosesoever subscription it is about."""

    def verify(self, headers: Mapping[str, str], body: bytes, subscription: JSON, secret: str) -> bool:
        return any(super(BelievesCallsForOthers, self).verify(headers, body, {"id": f"hook{n}"}, one)
                   for n in range(9) for one in (secret, "a-secret-of-the-subscription"))  # fmt: skip


@hostile("a_forged_notification_is_refused")
class StumblesOverGarbage(Notes):
    def verify(self, headers: Mapping[str, str], body: bytes, subscription: JSON, secret: str) -> bool:
        return bool(json.loads(body)["hook"]) and super().verify(headers, body, subscription, secret)


@hostile("a_subscription_leads_to_calls_until_it_ends")
class SubscribesToNothing(Notes):
    async def subscribe(self, ctx: Context, url: str, secret: str) -> JSON:
        return {"id": "hook1"}


@hostile("a_subscription_leads_to_calls_until_it_ends")
class KeepsTheSecretInTheClear(Notes):
    async def subscribe(self, ctx: Context, url: str, secret: str) -> JSON:
        return {**await super().subscribe(ctx, url, secret), "secret": secret}


@hostile("a_subscription_leads_to_calls_until_it_ends")
class NeverUnsubscribes(Notes):
    async def unsubscribe(self, ctx: Context, subscription: JSON) -> None:
        return


@hostile("a_subscription_leads_to_calls_until_it_ends")
class RenewsTooLate(Notes):
    async def subscribe(self, ctx: Context, url: str, secret: str) -> JSON:
        kept = await super().subscribe(ctx, url, secret)
        return {**kept, "renew_at": kept["expires_at"], "expires_at": kept["renew_at"]}


@hostile("a_subscription_leads_to_calls_until_it_ends")
class TakesEveryCallForATrial(Notes):
    def handshake(self, query: str) -> str | None:
        return query


# -- secrets, waiting, accounts ------------------------------------------------------------------------------------------


@hostile("nothing_is_printed")
class Prints(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        async for page in super().pages(ctx):
            print("a page of", len(page.items))
            yield page


@hostile("nothing_is_printed")
class PrintsWhatItChecks(NotesConnector):
    async def check(self, ctx: Context) -> Mapping[str, str]:
        print("checking")
        return await super().check(ctx)


@hostile("secrets_stay_secret")
class PrintsASecret(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        print("signing in with", ctx.settings["client_secret"].reveal())
        async for page in super().pages(ctx):
            yield page


@hostile("secrets_stay_secret")
class SecretInAnothersLog(Notes):
    """By Python's own logging, as libraries do it."""

    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        logging.getLogger("some.library").debug("key %s", ctx.settings["client_secret"].reveal())
        async for page in super().pages(ctx):
            yield page


@hostile("secrets_stay_secret")
class SecretInAWarning(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        warnings.warn(f"key {ctx.settings['client_secret'].reveal()}", stacklevel=2)
        async for page in super().pages(ctx):
            yield page


@hostile("secrets_stay_secret")
class SecretInTheBookmark(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        if isinstance(ctx.cursor, dict):
            ctx.cursor = ctx.cursor["place"]
        async for page in super().pages(ctx):
            token = ctx.settings["client_secret"].reveal()
            page.bookmark = page.bookmark and {"place": page.bookmark, "token": token}
            yield page


@hostile("the_event_loop_is_never_blocked")
class ComputesForLong(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            sum(range(1000))
        async for page in super().pages(ctx):
            yield page


@hostile("memory_stays_flat")
class RemembersEveryAnswer(Notes):
    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        async for page in super().pages(ctx):
            _kept.extend(page.items)
            yield page


@hostile("check_says_ready")
class NeverReady(NotesConnector):
    async def check(self, ctx: Context) -> Mapping[str, str]:
        return {"notes": "an API to switch on", "tags": "ready"}


@hostile("accounts_are_complete")
class ListsAnAccountTwice(NotesConnector):
    async def accounts(self, ctx: Context) -> AsyncIterator[Account]:
        async for account in super().accounts(ctx):
            yield account
            yield account
