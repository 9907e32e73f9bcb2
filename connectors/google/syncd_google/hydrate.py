"""Messages by id, in batches: each part's fault is dealt with alone (wire reference §9, §13.24).

Public: Hydrator, Hydrated.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from syncd.sdk import Context, Item, ProtocolError, RateLimited, Reject, SyncdError, Transient

from .api import Api
from .batch import Batch, Part
from .errors import API_DISABLED, SCOPE_MISSING, Fault, no_mailbox, read_fault, refusal, throttled
from .message import Unreadable, record_of
from .wire import decode, sound

__all__ = ["BATCH", "Hydrated", "Hydrator"]

BATCH = 50  # §9: the most that Gmail recommends
MOST = 2 * BATCH
LEAST = 5
VOLUME = 16 << 20  # bytes of messages that a page may have, roughly
ATTEMPTS = 5  # for parts that fail, with 1, 2, 4 and 8 seconds in between
PATIENCE = 10.0  # seconds; longer waits are the engine's
HEADERS = "".join(f"&metadataHeaders={name}" for name in ("Subject", "From", "To", "Date", "Message-ID"))
FORMATS = {"raw": "raw", "minimal": "minimal", "metadata": "metadata", "large": "metadata" + HEADERS}


@dataclass(slots=True)
class Hydrated:
    """What became of some ids. `left`: not had, because of `error`."""

    items: list[Item] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    error: SyncdError | None = None


class Hydrator:
    """Gets messages of one mailbox, two batches at a time: a mailbox bears few requests at once (§3.2).

    `size`: how many to ask for at once, so that a page keeps to VOLUME.
    """

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._api = Api(ctx, "gmail", "mail")
        self._batch = Batch(self._api, ("/batch", "/batch/gmail/v1"))
        self.size = MOST

    async def messages(self, wanted: Mapping[str, str]) -> Hydrated:
        """Messages (id → kind, as in `record_of`)."""
        done, pending = Hydrated(), dict(wanted)
        trouble: SyncdError | None = None
        for attempt in range(ATTEMPTS):
            if not pending:
                break
            trouble = await self._once(done, pending)
            if trouble is not None:
                wait = _wait(trouble, attempt)
                if wait is None or attempt + 1 == ATTEMPTS:
                    break
                await self._ctx.clock.sleep(wait)
        if pending:
            await self._give_up(done, pending, trouble)
        return done

    async def _once(self, done: Hydrated, pending: dict[str, str]) -> SyncdError | None:
        """Ask once. What is settled leaves `pending`; gives the reason why the rest is still there."""
        calls = [(one, path_of(one, FORMATS[kind])) for one, kind in pending.items()]
        batches = [dict(calls[start : start + BATCH]) for start in range(0, len(calls), BATCH)]
        answers: dict[str, Part] = {}
        try:
            for some in await self._ctx.gather(map(self._batch.get, batches)):
                answers |= some
        except (RateLimited, Transient) as error:
            return error
        volume = sum(len(part.body) for part in answers.values())
        self.size = max(LEAST, min(MOST, VOLUME * max(1, len(answers)) // max(1, volume)))
        trouble: SyncdError | None = None
        if any(part.status == 401 for part in answers.values()):
            await self._healthy()  # §9: a fresh token, and only those parts again; this request fetches the token
            trouble = Transient("Google refused the token inside a batch")
        refused: dict[str, Fault] = {}
        for one in list(pending):
            part = answers.get(one)
            problem = self._settle(done, pending, refused, one, part) if part else Transient("a batch lacks an answer")
            trouble = _worse(trouble, problem)
        return _worse(trouble, await self._reject(done, pending, refused)) if refused else trouble

    async def _healthy(self) -> None:
        """The cheapest request to the mailbox. Raises what is wrong with it as a whole."""
        await self._api.get("/gmail/v1/users/me/profile", "mail", {}, no_mailbox)

    def _settle(
        self, done: Hydrated, pending: dict[str, str], refused: dict[str, Fault], one: str, part: Part
    ) -> SyncdError | None:
        """What is settled leaves `pending`, what Google refuses is put into `refused`; gives what means "later"."""
        if part.status == 200 and part.cut and pending[one] == "raw":
            pending[one] = "large"
            return None
        if part.status == 200 and part.cut:
            del pending[one]
            done.items.append(Reject("the message's headers are larger than an answer may be", one))
            return None
        if part.status == 200:
            done.items.append(_item(one, pending.pop(one), part.body))
            return None
        fault = read_fault(part.status, part.body)
        later = _later(fault, part, self._ctx)
        if later is not None or fault.http == 401:
            return later
        if fault.http == 404:  # §7.2.8: the message is gone, and not the cursor
            del pending[one]
            done.gone.append(one)
        else:
            refused[one] = fault
        return None

    async def _reject(self, done: Hydrated, pending: dict[str, str], refused: Mapping[str, Fault]) -> SyncdError | None:
        """Messages that Google refuses are rejected alone, unless the mailbox as a whole is refused: that is raised.

        A scope or an API that is lacking is nobody's message. Gives what means "later".
        """
        errors = [refusal(fault, "mail", single=self._api.single) for fault in refused.values()]
        for error in errors:
            if error.code in (SCOPE_MISSING, API_DISABLED):
                raise error
        try:
            await self._healthy()
        except (RateLimited, Transient) as later:
            return later
        for one, fault in refused.items():
            del pending[one]
            done.items.append(Reject(f"Google will not give the message: {fault}", one))
        return None

    async def _give_up(self, done: Hydrated, pending: Mapping[str, str], trouble: SyncdError | None) -> None:
        """The rest is left for later, unless others were had of a healthy mailbox: then it is rejected.

        Otherwise messages that Google cannot give would stop their mailbox for good.
        """
        done.error = trouble or Transient("Google does not give messages")
        if (done.items or done.gone) and isinstance(trouble, Transient) and not trouble.exhausted:
            try:
                await self._healthy()
            except SyncdError as error:
                done.error = error
            else:
                done.items += [Reject(f"Google does not give the message: {trouble}", one) for one in pending]
                done.error = None
                return
        done.left = list(pending)


MESSAGES = "/gmail/v1/users/me/messages"


def path_of(message: str, kind: str) -> str:
    return f"{MESSAGES}/{quote(message, safe='')}?format={kind}&prettyPrint=false"


def kinds(ids: Sequence[str], held: Mapping[str, str | None], content: bool) -> dict[str, str]:
    """What to ask for: whole messages once, of those whose content is held only what can change."""
    if not content:
        return dict.fromkeys(ids, "metadata")
    return {one: "minimal" if held.get(one) == one else "raw" for one in ids}


def _item(one: str, kind: str, body: bytes) -> Item:
    if not sound(body):
        return Reject("the message is not sound JSON", one, body[:10_000])
    try:
        return record_of(decode(body, "mail"), one, kind)
    except (Unreadable, ProtocolError) as error:
        return Reject(str(error), one, body[:10_000])


def _later(fault: Fault, part: Part, ctx: Context) -> SyncdError | None:
    if fault.http >= 500 or fault.http == 408:
        return Transient(f"Google answered {fault}")
    return throttled(fault, part.retry_after, now=ctx.clock.now(), api="gmail")


def _worse(one: SyncdError | None, other: SyncdError | None) -> SyncdError | None:
    """The one that says most about what to do: throttling, and of that the longest wait."""
    if one is None or other is None:
        return one or other
    if isinstance(one, RateLimited) and isinstance(other, RateLimited):
        return max(one, other, key=lambda error: error.retry_after or 0.0)
    return other if isinstance(other, RateLimited) else one


def _wait(trouble: SyncdError, attempt: int) -> float | None:
    """Seconds until the failed parts are asked for again; None: that is the engine's to wait for."""
    if isinstance(trouble, RateLimited) and trouble.retry_after is not None:
        return max(trouble.retry_after, 2.0**attempt) if trouble.retry_after <= PATIENCE else None
    if isinstance(trouble, Transient) and trouble.exhausted:
        return None
    return 2.0**attempt + random.random()  # noqa: S311 - spreads load, guards nothing
