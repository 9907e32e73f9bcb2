"""One folder of a mailbox, listed by position over a list that moves (§4.4).

Public: Folder, Rows, Top, folders_of.

Mail that arrives while the pages are read shifts every row by one: rows come twice. Mail that goes shifts the other way:
rows would be skipped. So pages overlap, and where a page does not meet the one before it, the walk steps back; at the end
page 1 is read again.
"""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from syncd.sdk import AccountGone, Context, PartitionGone, ProtocolError, SyncdError

from .api import Api
from .directory import NOT_READABLE
from .errors import TOKEN_CODES, Fault
from .message import received_of
from .settings import MAIL_FOLDERS, MESSAGES
from .wire import ident, mail_rows

__all__ = ["Folder", "Rows", "Top", "folders_of"]

LIMIT = 200  # §4.4: the most; the default is 10
OVERLAP = 10  # rows that a page shares with the one before it
STEPS_BACK = 5  # of a whole page each
AGAIN = 10  # times that page 1 is read again, where mail keeps coming


@dataclass(frozen=True, slots=True)
class Rows:
    """New rows of a page, and when the oldest and the newest of the page were received (ms).

    `start`, `last`: where the next page starts and which ids it should overlap with, if one follows. `final`: none does.
    """

    rows: list[dict[str, Any]]
    oldest: int | None
    newest: int
    start: int | None = None
    last: Sequence[str] = ()
    final: bool = False


class Top:
    """What stood at the top of a folder the last time: id → when received (ms), and a digest of the row.

    With it a delta round tells what changed and what is gone, as far down as it reads.
    """

    def __init__(self, kept: Mapping[str, Any] | None) -> None:
        self._before: dict[str, Any] = dict(kept or {})
        self._unmet = set(self._before)
        self._now: dict[str, tuple[int, str]] = {}  # twice as many as are kept, at most: folders have millions

    def take(self, row: Mapping[str, Any]) -> bool:
        """Take a row in; whether it is new or changed."""
        one, at = ident(row.get("messageId")), received_of(row)
        if one is None or at is None:
            return True
        digest = _digest(row)
        self._unmet.discard(one)
        self._now[one] = (at, digest)
        if len(self._now) >= 2 * LIMIT:
            self._now = self._newest()
        return one not in self._before or self._before[one][1] != digest

    def gone(self, oldest: int | None) -> list[str]:
        """Ids that stood above `oldest` (None: anywhere) and were not met again."""
        return [one for one, (at, _) in self._before.items() if one in self._unmet and (oldest is None or at > oldest)]

    @property
    def kept(self) -> dict[str, list[Any]]:
        """For the cursor: the newest ones, as many as a page has."""
        return {one: [at, digest] for one, (at, digest) in self._newest().items()}

    def _newest(self) -> dict[str, tuple[int, str]]:
        return dict(sorted(self._now.items(), key=lambda entry: entry[1][0], reverse=True)[:LIMIT])


def _digest(row: Mapping[str, Any]) -> str:
    """`threadCount` grows with every answer to the message, which is no change of it."""
    shown = orjson.dumps({key: row[key] for key in row if key != "threadCount"}, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(shown, digest_size=6).hexdigest()


class Folder:
    """The rows of one folder, newest first."""

    def __init__(self, ctx: Context, mailbox: str, folder: str) -> None:
        self.api = Api(ctx, "mail", "mail", MESSAGES)
        self.mailbox = mailbox
        self.folder = folder

    async def walk(self, start: int = 1, last: Sequence[str] = ()) -> AsyncGenerator[Rows, None]:
        """Pages from `start` on; `last`: ids at the end of the page before, from a resume point.

        The caller may stop early. Before the last page come the rows that arrived in between.
        """
        before, top = list(last), set[str]()
        pages, back = 0, 0
        while True:
            rows = await self.page(start)
            ids = _ids(rows)
            if before and start > 1 and back < STEPS_BACK and not set(before) & set(ids):
                back, start = back + 1, max(1, start - LIMIT)  # what stood between them has gone up
                continue
            full = len(rows) >= LIMIT
            if full and ids == before:
                raise ProtocolError("mail: the listing repeats itself; the pages would never end")
            pages, back = pages + 1, 0
            top = top or set(ids)
            found = self._rows(rows, set(before))
            before, start = ids, start + LIMIT - OVERLAP
            if full:
                yield Rows(found.rows, found.oldest, found.newest, start, ids[-OVERLAP:])
                continue
            if pages > 1:
                async for more in self._arrived(top):
                    yield more
            yield Rows(found.rows, found.oldest, found.newest, final=True)
            return

    async def page(self, start: int) -> list[dict[str, Any]]:
        """One page; `start` counts from 1 (trap 18), the order is asked for since it decides where a walk stops."""
        response = await self.api.get(
            f"/api/accounts/{self.mailbox}/messages/view",
            "mail",
            {
                "folderId": self.folder,
                "start": start,
                "limit": LIMIT,
                "sortBy": "date",
                "sortorder": "false",
                "includeto": "true",
                "includearchive": "true",
            },
            _folder_gone,
        )
        return [] if response.status_code == 204 else mail_rows(response, "mail")

    async def _arrived(self, top: set[str]) -> AsyncIterator[Rows]:
        """What came to the top while the walk went on (trap 22)."""
        for turn in range(AGAIN):
            rows = await self.page(1 + turn * (LIMIT - OVERLAP))
            found = self._rows(rows, top)
            if found.rows:
                yield found
            if len(rows) < LIMIT or top & set(_ids(rows)):
                return

    def _rows(self, rows: list[dict[str, Any]], known: set[str]) -> Rows:
        """Those that are new and of this folder. A page that is not sorted as asked says nothing about an oldest one."""
        fresh = [
            row
            for row in rows
            if ident(row.get("messageId")) not in known and ident(row.get("folderId")) in (None, self.folder)
        ]
        times = [at for row in rows if (at := received_of(row)) is not None]
        oldest = times[-1] if times and times[0] >= times[-1] else None
        return Rows(fresh, oldest, max(times, default=0))


def _ids(rows: list[dict[str, Any]]) -> list[str]:
    return [one for row in rows if (one := ident(row.get("messageId"))) is not None]


async def folders_of(ctx: Context, mailbox: str) -> list[dict[str, Any]]:
    """All folders of a mailbox; the list is not paged (§4.3)."""

    def never_was(fault: Fault) -> SyncdError | None:
        """What the import found not to be readable, and is not now: no news, no failure."""
        before = ctx.account.streams.get("mail") if ctx.account else None
        if before == NOT_READABLE and fault.http in (401, 403) and fault.code not in TOKEN_CODES:
            return AccountGone(f"mail: {fault}", state=NOT_READABLE)
        return _not_readable(fault)

    path = f"/api/accounts/{mailbox}/folders"
    response = await Api(ctx, "mail", "mail", MAIL_FOLDERS).get(path, "mail folders", None, never_was)
    return mail_rows(response, "mail folders")


def _folder_gone(fault: Fault) -> SyncdError | None:
    if fault.http == 404 and not fault.is_("URL_RULE_NOT_CONFIGURED"):
        return PartitionGone(f"mail: {fault}")
    return None


def _not_readable(fault: Fault) -> SyncdError | None:
    """§4.1: an account id that the token does not know gives 404."""
    if fault.http == 404 and not fault.is_("URL_RULE_NOT_CONFIGURED"):
        return AccountGone(f"mail: {fault}", state=NOT_READABLE)
    return None
