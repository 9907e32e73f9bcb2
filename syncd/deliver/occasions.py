"""What operators should know right now. Pure: facts in, occasions out.

Public: Situation, Occasion, occasions, ending, and the kinds.

An occasion follows from what is stored and configured, never from having been there when it happened: after a crash
the same look gives the same occasions, so that none is lost and none is told twice.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from syncd.config.model import Config, SyncConfig
from syncd.config.problem import Problem
from syncd.engine.timetable import stale_at
from syncd.store import NoticeRow, SyncState

__all__ = [
    "CONFIG_BROKEN",
    "CREDENTIAL_REFUSED",
    "HELD",
    "KINDS",
    "NOT_FRESH",
    "PAUSED",
    "Occasion",
    "Situation",
    "ending",
    "occasions",
]

CREDENTIAL_REFUSED, PAUSED, HELD = "credential_refused", "paused", "held"
CONFIG_BROKEN, NOT_FRESH = "config_broken", "not_fresh"
KINDS = (CREDENTIAL_REFUSED, PAUSED, HELD, CONFIG_BROKEN, NOT_FRESH)

AUTH_CODE = "SYN-AUTH-001"
GRACE = timedelta(minutes=10)  # after a start, a resume or a new schedule, before "not fresh" is said
CAUSE = re.compile(r"\((SYN-[A-Z]+-\d{3})\)$")  # at the end of a pause's reason, where the pause's own code says less
SHOWN = 10  # names or problems that a text lists

Stream = tuple[str, str]  # connection, stream


@dataclass(frozen=True, slots=True)
class Occasion:
    """Something that a person should know. `key` names it for as long as it lasts."""

    key: str
    kind: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Situation:
    """The facts. `watched`: since when each sync that is neither off nor paused could run by its present schedule.

    `oldest`: when the least fresh part of each stream was last read completely. `told`: keys that are open now.
    """

    config: Config
    states: Mapping[str, SyncState]
    now: datetime
    held: Mapping[Stream, int] = field(default_factory=dict)
    oldest: Mapping[Stream, datetime] = field(default_factory=dict)
    watched: Mapping[str, datetime] = field(default_factory=dict)
    problems: Sequence[Problem] = ()
    told: Collection[str] = ()


def occasions(facts: Situation) -> list[Occasion]:
    """Everything that is wrong now, in a fixed order."""
    found = [*_config_broken(facts), *_credentials(facts)]
    for name in sorted(facts.config.syncs):
        found += _of_sync(facts, facts.config.syncs[name], facts.states[name])
    return found


def ending(row: NoticeRow, config: Config) -> tuple[str, str]:
    """Title and text of the news that it is over."""
    subject = row.key.partition(":")[2]
    if row.kind == CONFIG_BROKEN:
        return "the configuration folder is valid again", "What it says is in force."
    known = config.connections if row.kind == CREDENTIAL_REFUSED else config.syncs
    if subject not in known:
        return f"over: {row.title}", f"{subject} is no longer configured."
    match row.kind:
        case "credential_refused":
            return f"the credential of {subject} works again", "Its syncs go on."
        case "paused":
            return f"{subject} is resumed", "It is no longer paused."
        case "held":
            return f"{subject} holds no deletions any more", "They were decided, or their items were seen again."
    return f"over: {row.title}", f"{subject} is complete again, or switched off."


def _config_broken(facts: Situation) -> Iterator[Occasion]:
    if facts.problems:
        count = len(facts.problems)
        listed = [f"{one.file}:{one.line}: {one.message}" for one in facts.problems[:SHOWN]]
        more = [f"and {count - SHOWN} more"] if count > SHOWN else []
        text = "\n".join(["The last good configuration keeps running. `syncd status` lists all:", *listed, *more])
        yield Occasion("config", CONFIG_BROKEN, "the configuration folder is invalid", text)


def _credentials(facts: Situation) -> Iterator[Occasion]:
    """One for each connection, however many of its syncs rest."""
    resting: dict[str, list[str]] = {}
    for name, sync in sorted(facts.config.syncs.items()):
        if facts.states[name].paused is not None and facts.states[name].code == AUTH_CODE:
            resting.setdefault(sync.connection, []).append(name)
    for connection, names in resting.items():
        first = facts.states[names[0]]
        reason = first.reason or f"{connection}: the provider refuses it"
        text = (
            f"{reason.rstrip('.')}. Paused: {_listed(names)}. Mend the credential: its syncs go on by themselves once it has changed"
            f" and works, or after `syncd resume {names[0]}`. More: syncd explain {_explained(first)}"
        )
        yield Occasion(
            f"credential:{connection}", CREDENTIAL_REFUSED, f"the credential of {connection} is refused", text
        )


def _explained(state: SyncState) -> str | None:
    """The code that says most of a pause."""
    found = CAUSE.search(state.reason or "")
    return found[1] if found else state.code


def _of_sync(facts: Situation, sync: SyncConfig, state: SyncState) -> Iterator[Occasion]:
    name = sync.name
    if state.paused is not None and state.code != AUTH_CODE:
        text = f"{state.reason}. Mend the cause, then: syncd resume {name}. More: syncd explain {_explained(state)}"
        yield Occasion(f"paused:{name}", PAUSED, f"{name} is paused", text)
    held = sum(facts.held.get((sync.connection, stream), 0) for stream in sync.streams)
    if held:
        text = f"Nothing of them is deleted until somebody decides: syncd approve {name}, or syncd reject {name}."
        yield Occasion(f"held:{name}", HELD, f"{name} holds {held} deletion{'' if held == 1 else 's'}", text)
    stale = _stale(facts, sync) if state.paused is None else []
    if stale or (state.paused is not None and f"not_fresh:{name}" in facts.told):  # paused is said already
        yield _not_fresh(facts, sync, stale)


def _stale(facts: Situation, sync: SyncConfig) -> list[str]:
    """The streams that are older than twice the interval, once the sync has had the time to catch up.

    What was said already is not over because a daemon or a name is new.
    """
    since = facts.watched.get(sync.name)
    if since is None:
        return []
    known = [(at, stream) for stream in sync.streams if (at := facts.oldest.get((sync.connection, stream)))]
    found, told = [], f"not_fresh:{sync.name}" in facts.told
    for oldest, stream in sorted(known):  # the oldest first: where one is fresh, the younger ones are
        until = stale_at(sync.schedule, oldest)
        if facts.now <= until or (not told and facts.now <= since + min((until - oldest) / 2, GRACE)):
            break
        found.append(stream)
    return found


def _not_fresh(facts: Situation, sync: SyncConfig, stale: Sequence[str]) -> Occasion:
    since = [at for stream in stale if (at := facts.oldest.get((sync.connection, stream)))]
    when = f" since {min(since):%Y-%m-%d %H:%M} UTC" if since else ""
    longer = ", which is longer than twice its interval"
    what = (
        f"{_listed(stale)}: not complete{when}{longer}" if stale else "It was not complete in time, and is paused now"
    )
    text = f"{what}. Look at `syncd status` and `syncd history {sync.name}`."
    return Occasion(f"not_fresh:{sync.name}", NOT_FRESH, f"{sync.name} is not fresh", text)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
