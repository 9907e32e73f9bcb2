"""Errors: the class of an error says what happens next.

    SyncdError
    ├── RateLimited         wait as long as the provider says, then go on where it stood
    ├── Transient           retry, five times over at most a minute
    ├── CursorExpired       start a full round, quietly
    ├── AuthFailed          pause the connection's syncs and notify: a person must mend the credential
    ├── Forbidden           skip what was asked for (a partition, an account's stream, one item's content)
    ├── AccountGone         skip the account: the provider says it has no such service, or no longer exists
    ├── PartitionGone       skip the partition, and ask again which there are
    ├── ContentUnavailable  keep the record without its content, for good
    ├── ProtocolError       the provider's answer makes no sense: retry, then fail the partition
    └── VersionConflict     a write met a newer version: read again and decide again

Public: the classes above, Next, CATALOGUE, Explanation, explanation_of.

`CATALOGUE` is the one table that the engine, `syncd explain` and docs/errors.md are made from. A connector adds entries
of its own through `ConnectorInfo.errors`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

__all__ = [
    "CATALOGUE",
    "AccountGone",
    "AuthFailed",
    "ContentUnavailable",
    "CursorExpired",
    "Explanation",
    "Forbidden",
    "Next",
    "PartitionGone",
    "ProtocolError",
    "RateLimited",
    "SyncdError",
    "Transient",
    "VersionConflict",
    "explanation_of",
]


class Next(StrEnum):
    """What the engine does after an error."""

    WAIT = "wait"
    RETRY = "retry"
    FULL_ROUND = "start a full round"
    SKIP = "skip"
    SKIP_ACCOUNT = "skip the account"
    FORGET = "skip the partition and list anew"
    SKIP_CONTENT = "keep the record without content"
    PAUSE = "pause the connection and notify"
    HOLD = "hold for a person"
    FAIL = "fail the partition"


@dataclass(frozen=True, slots=True)
class Explanation:
    """One entry of the catalogue: `meaning` for `syncd explain`, `action` what syncd does, `hint` what to do."""

    code: str
    title: str
    meaning: str
    action: str
    hint: str


LONGEST_WAIT = 31 * 86_400.0  # seconds: what asks for more is a mistake of the provider's, or of who read it


class SyncdError(Exception):
    """Base of every error that a connector may raise.

    `message` says what happened, in words for an operator; `code` names an entry of the catalogue; `hint` says what to
    do about this very case and defaults to the catalogue's.
    """

    next: ClassVar[Next] = Next.FAIL
    default_code: ClassVar[str] = "SYN-PLUGIN-001"

    def __init__(self, message: str = "", *, code: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = str(message) if message else type(self).__name__
        self.code = code or self.default_code
        self.hint = hint

    def __str__(self) -> str:
        return self.message


def _seconds(given: object) -> float | None:
    """At most LONGEST_WAIT; None if it is no time: a header may be handed on as it came."""
    try:
        seconds = float(given)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return None if seconds != seconds else min(max(0.0, seconds), LONGEST_WAIT)


class RateLimited(SyncdError):
    """The provider said "slow down". `retry_after` is in seconds from now, at most 31 days; None where it gave no time.

    `scope` is the budget that is empty: "account" (the default), "connection", or "lane" for the request's lane alone.
    """

    next = Next.WAIT
    default_code = "SYN-RATE-001"

    def __init__(
        self,
        message: str = "the provider asked to slow down",
        retry_after: float | None = None,
        *,
        scope: str = "account",
        code: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.retry_after = _seconds(retry_after)
        self.scope = scope


class Transient(SyncdError):
    """A fault that goes away by itself: 5xx, a reset, a timeout. `exhausted` is set once retrying has been tried."""

    next = Next.RETRY
    default_code = "SYN-NET-001"

    def __init__(
        self,
        message: str = "the provider failed",
        *,
        exhausted: bool = False,
        code: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.exhausted = exhausted


class CursorExpired(SyncdError):
    """The provider no longer knows the cursor, or the resume point."""

    next = Next.FULL_ROUND
    default_code = "SYN-CURSOR-001"


class AuthFailed(SyncdError):
    """The credential of the whole connection is refused. One account's refusal is Forbidden or AccountGone."""

    next = Next.PAUSE
    default_code = "SYN-AUTH-001"


class Forbidden(SyncdError):
    """The credential is good, and this is not allowed to it."""

    next = Next.SKIP
    default_code = "SYN-AUTH-002"


class AccountGone(SyncdError):
    """The account has no such service (no mailbox, no drive, no licence) or exists no more. `state` is what is shown."""

    next = Next.SKIP_ACCOUNT
    default_code = "SYN-ACCOUNT-001"

    def __init__(
        self,
        message: str = "",
        *,
        state: str = "unavailable",
        code: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.state = state


class PartitionGone(SyncdError):
    """The provider no longer has this partition: a folder or drive that went since it was listed.

    Nothing is deleted because of it: the next listing of partitions says what is gone.
    """

    next = Next.FORGET
    default_code = "SYN-PARTITION-001"


class ContentUnavailable(SyncdError):
    """The content can never be had: forbidden, malware, export_limit, too_large. `reason` is stored with the record."""

    next = Next.SKIP_CONTENT
    default_code = "SYN-CONTENT-001"

    def __init__(self, reason: str, message: str = "", *, code: str | None = None, hint: str | None = None) -> None:
        super().__init__(message or f"content unavailable: {reason}", code=code, hint=hint)
        self.reason = reason


class ProtocolError(SyncdError):
    """The provider's answer is not what its documents promise."""

    next = Next.RETRY
    default_code = "SYN-PROTO-001"


class VersionConflict(SyncdError):
    """A write was refused because the item has changed since it was read."""

    next = Next.FAIL
    default_code = "SYN-WRITE-001"


def _entry(code: str, title: str, meaning: str, action: str, hint: str) -> tuple[str, Explanation]:
    return code, Explanation(code, title, meaning, action, hint)


CATALOGUE: dict[str, Explanation] = dict(
    [
        _entry(
            "SYN-AUTH-001",
            "credential refused",
            "The provider refuses the credential of the whole connection: a wrong or rotated key, a revoked consent, an "
            "unknown client or organisation.",
            "All syncs of the connection are paused and one notice is sent. Nothing of the mirror changes.",
            "Mend the credential (see the provider's page in docs/providers). It is tried as soon as its file or value changes, "
            "every hour, and at once by `syncd resume NAME`.",
        ),
        _entry(
            "SYN-AUTH-002",
            "not allowed",
            "The credential works, but what was asked for is not allowed to it: a missing scope, a private calendar, a "
            "service that the administrator switched off.",
            "What was refused is skipped, everything else goes on; the run is `partial`.",
            "Grant what the message names, or take the account or the stream out of the sync. `syncd check` shows scopes.",
        ),
        _entry(
            "SYN-ACCOUNT-001",
            "account without this service",
            "The provider says that the account has no such service (no mailbox, no drive, no licence), or is gone.",
            "The account's stream is skipped with a state; the run can still be `completed`.",
            "Nothing, if that is how it should be; otherwise give the account a licence, then `syncd import` again.",
        ),
        _entry(
            "SYN-ACCOUNT-002",
            "no imported account matches",
            "The sync's filters match none of the imported, active accounts, or nothing was imported yet.",
            "The run is `failed`: a sync that covers nobody is a mistake until someone says otherwise.",
            "Run `syncd import CONNECTION`, look at `syncd accounts CONNECTION`, and check `accounts:` in the YAML.",
        ),
        _entry(
            "SYN-ACCOUNT-003",
            "other organisation",
            "The credential now belongs to another organisation than the one that was first imported.",
            "The import is refused: mixing two organisations in one mirror cannot be undone.",
            "Use a new connection name for the other organisation, or put the right credential back.",
        ),
        _entry(
            "SYN-PARTITION-001",
            "partition gone",
            "The provider no longer has a folder, calendar or drive that it listed before.",
            "The partition is skipped, and the provider is asked anew which there are. Its records stay until a listing "
            "without it has been settled, like any other deletion.",
            "Nothing.",
        ),
        _entry(
            "SYN-RATE-001",
            "throttled",
            "The provider asked to slow down for longer than `limits.max_wait` allows inside one run.",
            "The partition is deferred: it is due again when the provider allows. Nothing is lost.",
            "Usually nothing. If it keeps coming back, lower `limits` of the connection or ask the provider for more quota.",
        ),
        _entry(
            "SYN-NET-001",
            "provider unavailable",
            "The provider answered with server errors or broken connections only, five times over up to a minute.",
            "The partition has failed for this run and is tried again by the next one, from where it stood.",
            "Look at the provider's status page and at the network between here and there.",
        ),
        _entry(
            "SYN-NET-002",
            "address not declared",
            "A request, a link in an answer or a redirect leads to an address that the connector has not declared, or to one "
            "that is neither public nor the operator's own.",
            "Nothing is sent there. What needed it has failed for this run, all else goes on.",
            "If the address is right, name it in the connection's settings (`endpoints`), or ask the connector's author to "
            "declare it (`origins`, or `downloads` for links). If it is not, somebody between here and there rewrites answers.",
        ),
        _entry(
            "SYN-PROTO-001",
            "answer makes no sense",
            "The provider's answer is not what its documents promise: not JSON, wrong types, a page chain without an end.",
            "It was asked again, then the partition failed for this run; nothing was taken from the answer.",
            "If it stays, report it with the run's number: the provider may have changed, or a proxy rewrites answers.",
        ),
        _entry(
            "SYN-CURSOR-001",
            "cursor expired",
            "The provider no longer knows where this partition stood.",
            "One full round starts at once, quietly: same records, same versions, no duplicates.",
            "Nothing.",
        ),
        _entry(
            "SYN-CURSOR-002",
            "cursor keeps expiring",
            "The provider refused the place again and again within one run, also after starting over.",
            "The partition failed for this run and is tried again by the next one.",
            "If it stays, report it: the provider hands out places that it does not honour.",
        ),
        _entry(
            "SYN-CONTENT-001",
            "content can never be had",
            "The provider will not give this content: forbidden, flagged as malware, over its export limit, or it is above "
            "`max_size`.",
            "The record is kept without content, with the reason in `blob.skipped`. This is not a failure.",
            "Nothing, or change the item at the provider or `max_size` in the YAML.",
        ),
        _entry(
            "SYN-CONTENT-002",
            "content could not be fetched",
            "The content could not be had this time.",
            "The record landed without it, the item counts as failed, and the content is tried again by the next run.",
            "Usually nothing: look at the cause that the error names if it stays.",
        ),
        _entry(
            "SYN-CONTENT-003",
            "content does not match",
            "The content's checksum or size is not what the provider says, also after fetching it once more.",
            "The record landed without it, the item counts as failed, and the content is tried again by the next run.",
            "If it stays for one item, open it at the provider: it may be damaged there.",
        ),
        _entry(
            "SYN-ITEM-001",
            "unreadable item",
            "The provider sent an item that cannot be understood: no id, wrong types, broken text.",
            "It is kept in quarantine with its cause; all others land; the run is `partial`. No deletions are concluded "
            "from a listing that contains an item without an id.",
            "`syncd show RUN` names it. Open it at the provider, or report it.",
        ),
        _entry(
            "SYN-HOLD-001",
            "deletions held",
            "More deletions met in one run than `max_delete` allows, or a partition that had records listed none.",
            "Nothing is deleted until a person decides; everything else landed.",
            "Look at them with `syncd approve NAME` or `syncd reject NAME`, which show them first.",
        ),
        _entry(
            "SYN-RUN-001",
            "paused after failures",
            "The sync failed as many times in a row as `pause_after` allows.",
            "It is paused and one notice is sent.",
            "Look at `syncd history NAME`, mend the cause, then `syncd resume NAME` or run it by hand.",
        ),
        _entry(
            "SYN-RUN-002",
            "run interrupted",
            "The process that held the run ended before the run did.",
            "What was committed stays; the next run goes on from there.",
            "Nothing. If it keeps happening, look at the system's log for why the process was killed.",
        ),
        _entry(
            "SYN-RUN-003",
            "already under way",
            "What was asked for must wait for a run, a purge or a backup that is under way and does not cover it.",
            "Nothing was started (exit 75).",
            "Wait for it (`syncd status`), or `syncd cancel RUN`.",
        ),
        _entry(
            "SYN-RUN-004",
            "ledger does not balance",
            "Items were listed whose outcome is not accounted for.",
            "The run is `failed` although pages were written: this must never happen.",
            "Report it with the output of `syncd show RUN --json`.",
        ),
        _entry(
            "SYN-NOTIFY-001",
            "notice channel fails",
            "A channel of `daemon.notify` does not take messages: a wrong address, a revoked token, a server that is away.",
            "Messages wait and are tried again, after seconds at first and a quarter of an hour at last, for a week. Syncing "
            "is not touched.",
            "`syncd notify --test` says what each channel answers. Mend the URL behind the reference: it is read anew each time.",
        ),
        _entry(
            "SYN-STATE-001",
            "state directory in use",
            "Another syncd daemon runs on this state directory.",
            "This one ends (exit 75).",
            "Stop the other one, or give this one a directory of its own with `--state`.",
        ),
        _entry(
            "SYN-STATE-002",
            "state directory unusable",
            "The state directory or the database in it cannot be read or written.",
            "Nothing was started.",
            "Check the owner, the permissions and the free space of the directory.",
        ),
        _entry(
            "SYN-KEY-001",
            "encryption key missing",
            "What the store holds is encrypted under a key that is not among `encryption_keys`.",
            "Nothing was started, and nothing was written (exit 78).",
            "Put the key with the id that the message names back into `encryption_keys`, after the newer one. A lost key cannot be replaced: its store must be mirrored anew.",
        ),
        _entry(
            "SYN-KEY-002",
            "not an encryption key",
            "An entry of `encryption_keys` is not 32 bytes written in base64 or in 64 hexadecimal digits.",
            "Nothing was started (exit 78).",
            "`syncd keys generate` prints a good one.",
        ),
        _entry(
            "SYN-KEY-003",
            "stored value damaged",
            "An encrypted value or file was changed, moved to another row, or cut since syncd wrote it.",
            "It is not shown. A run that meets it takes the provider's item in its place.",
            "Find out who or what writes to the state directory. `syncd keys rotate --data-key` finds every such value and has it read from the provider again.",
        ),
        _entry(
            "SYN-API-001",
            "token missing or wrong",
            "The API was asked without its token, or with another one.",
            "Nothing was done (HTTP 401; a command exits 77).",
            "Send `Authorization: Bearer TOKEN`, where TOKEN is the value of `daemon.token`, or of the file `api-token` in the state "
            "directory if none is configured. Commands take it from there, or from `$SYNCD_TOKEN`.",
        ),
        _entry(
            "SYN-API-002",
            "too many wrong tokens",
            "A client has sent wrong tokens again and again.",
            "It has to wait up to a minute (HTTP 429 with `Retry-After`); nobody else is affected.",
            "Find out who sends them: the daemon's log names the address of failed logins. Then use the right one.",
        ),
        _entry(
            "SYN-API-003",
            "request to another host",
            "The request's `Host` header names a host that is not this daemon: a web page may have had its own name point here.",
            "It was refused (HTTP 421, or 400 without a good header).",
            "Ask by the address of `daemon.listen`, or let `listen` be the name: `listen: syncd.acme.example:8642`. A reverse proxy should pass on the "
            "address that it connects to.",
        ),
        _entry(
            "SYN-API-004",
            "request from another page",
            "A browser that is logged in sent a request which no page of this daemon made.",
            "It was refused (HTTP 403).",
            "Reload the page and try again. Scripts use the token, which needs no such proof.",
        ),
        _entry(
            "SYN-API-005",
            "address cannot be had",
            "The daemon cannot listen on `daemon.listen`: another process has the address, or it is not one of this machine.",
            "Syncs go on, the unix socket and the address before are answered, and the new one is tried again every few seconds.",
            "`ss -ltnp` shows who listens there. Stop that, or change `listen`.",
        ),
        _entry(
            "SYN-KEY-004",
            "no encryption keys",
            "A command about encryption keys was given, and none are configured.",
            "Nothing was changed (exit 78).",
            "`syncd keys generate` prints a key; name where it is kept in `encryption_keys` under `daemon:` and start the daemon again.",
        ),
        _entry(
            "SYN-FEED-001",
            "feed position too old",
            "Deletions after the SEQ asked for may be missing: tombstones were removed, data was purged, or a backup restored.",
            "The answer is refused rather than incomplete.",
            "Read everything again, then follow the feed from the newest `seq`.",
        ),
        _entry(
            "SYN-CONF-001",
            "configuration invalid",
            "The folder has problems: each is listed with file, line and column.",
            "Nothing changes: a running daemon keeps the last good configuration.",
            "Mend what is listed; `syncd validate` shows it all at once.",
        ),
        _entry(
            "SYN-CONF-002",
            "not configured",
            "The name is not in the configuration folder.",
            "Nothing was started.",
            "`syncd status` lists the syncs; `syncd validate` says which folder is read.",
        ),
        _entry(
            "SYN-PLUGIN-001",
            "unexpected error in a connector",
            "The connector raised an exception that it should not.",
            "Its partition failed with the traceback in the run's errors; all others went on.",
            "Report it to the connector's author with the traceback (`syncd show RUN --json`).",
        ),
        _entry(
            "SYN-PLUGIN-002",
            "connector not available",
            "The connection's connector is not installed, or failed to load.",
            "Syncs of that connection fail; all others go on.",
            "`syncd connectors` shows what is installed and why a plugin is broken.",
        ),
        _entry(
            "SYN-PLUGIN-003",
            "event loop blocked",
            "A connector's own code worked, or waited, for more than a second without letting anything else go on.",
            "Everything in the process stood still for that time; nothing is lost. The line is named, once per run, and the "
            "time is counted in a metric.",
            "Tell the connector's author the line: waiting belongs to `ctx.http` and `ctx.clock`, long work into "
            "`asyncio.to_thread`.",
        ),
        _entry(
            "SYN-PLUGIN-004",
            "connector hangs",
            "A connector gave nothing and asked nothing for ten minutes, or did not end when it was told to.",
            "Its partition has failed for this run; all others go on. A call that does not end is left alone and can make no "
            "more requests.",
            "Tell the connector's author. If it stays, `syncd disable` the sync: calls that do not end keep their memory "
            "until the daemon is restarted.",
        ),
        _entry(
            "SYN-PLUGIN-005",
            "connector holds too much",
            "A connector yielded a page, or keeps data of one partition, larger than any partition may have in memory.",
            "Its partition has failed for this run; what was committed stays, all others go on.",
            "Tell the connector's author: smaller pages, and nothing kept from page to page that grows with the data.",
        ),
        _entry(
            "SYN-WRITE-001",
            "version conflict",
            "A write was refused because the item has changed since it was read.",
            "Nothing was written; the item is read again.",
            "Nothing.",
        ),
    ]
)


def explanation_of(code: str, more: Iterable[Explanation] = ()) -> Explanation | None:
    """The catalogue's entry of a code, also among `more` (the connectors' own); None if there is none."""
    if code in CATALOGUE:
        return CATALOGUE[code]
    return next((entry for entry in more if entry.code == code), None)
