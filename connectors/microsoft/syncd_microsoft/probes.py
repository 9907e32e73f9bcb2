"""Who has a mailbox, of what kind, and who has a OneDrive.

Public: Found, look_at.

Asked in batches across users, so that each mailbox sees one request at a time (§12). What a probe cannot tell is taken
as there: the stream itself will meet it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from syncd.sdk import Context, SyncdError

from .api import Graph, quoted
from .batch import MOST, Batch, Part
from .errors import no_drive, no_mailbox
from .people import MAILBOX, Person

__all__ = ["Found", "look_at"]

PATIENCE = 120.0  # seconds of a Retry-After


@dataclass(slots=True)
class Found:
    """What probes told of a user. `streams`: why a stream is not ready; `purpose`: the mailbox's userPurpose."""

    streams: dict[str, str] = field(default_factory=dict)
    purpose: str | None = None


async def look_at(ctx: Context, people: Sequence[Person]) -> dict[str, Found]:
    """User id → what there is. Guests are not asked for: they normally have neither (§9)."""
    found = {person.id: Found() for person in people}
    members = [person for person in people if not person.guest]
    doubtful = [person.id for person in members if person.doubtful]
    for one, part in (await _ask(ctx, doubtful, "/mailboxSettings", "mailboxes")).items():
        purpose = part.body.get("userPurpose") if part.status == 200 and isinstance(part.body, dict) else None
        found[one].purpose = purpose.lower() if isinstance(purpose, str) else None
        _mailbox(found[one], part)
    living = [person.id for person in members if person.enabled or found[person.id].purpose not in (None, "user")]
    unsure = [one for one in living if not found[one].streams]
    for one, part in (await _ask(ctx, unsure, "/mailFolders/inbox?$select=id", "mail")).items():
        _mailbox(found[one], part)
    for one, part in (await _ask(ctx, living, "/drive?$select=id", "files")).items():
        gone = no_drive(part.fault, "drive") if part.status >= 400 and part.status != 403 else None
        if gone is not None:
            found[one].streams["files"] = gone.state
    return found


def _mailbox(found: Found, part: Part) -> None:
    gone = no_mailbox(part.fault, "mailbox") if part.status >= 400 else None
    if gone is not None and part.status != 403:
        found.streams.update(dict.fromkeys(MAILBOX, gone.state))


async def _ask(ctx: Context, users: Sequence[str], path: str, needs: str) -> dict[str, Part]:
    """The answer of each user's path; a user without one is left out."""
    batch = Batch(Graph(ctx, None, needs=needs), serial=False, patience=PATIENCE)
    paths = {f"/users/{quoted(one)}{path}": one for one in users}
    asked = list(paths)
    found: dict[str, Part] = {}

    async def some(start: int) -> None:
        try:
            await batch.get(asked[start : start + MOST], into=found)
        except SyncdError as error:
            ctx.log.info("some users could not be looked at", error=str(error))

    await ctx.gather([some(start) for start in range(0, len(asked), MOST)])
    return {paths[path]: part for path, part in found.items()}
