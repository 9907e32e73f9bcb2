"""Who is told what, and how often. Pure.

Public: plan, compose, Telling, Mood, clean, backoff, next_slot.

- Something is told once when it begins and once when it is over. What began and ended before it could be told is not.
- What comes and goes is told six times an hour at most (three times "wrong", three times "over"), then only once it has stayed
  as it is for a quarter of an hour.
- All that waits for a channel goes in one message, and a channel gets ten messages in ten minutes at most: a thousand
  syncs in trouble are one message.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from syncd.sdk import redact
from syncd.store import NoticePlan, NoticeRow

from .occasions import Occasion

__all__ = ["Mood", "Telling", "backoff", "clean", "compose", "next_slot", "plan"]

HOUR, CALM, REMEMBERED = timedelta(hours=1), timedelta(minutes=15), timedelta(days=1)
MOST = 6  # tellings of one thing in an hour
LINES, LONGEST_LINE, LONGEST_TITLE, LONGEST = 10, 160, 120, 1_800  # of a message; chat services take 2,000 characters
SLOTS, WINDOW = 10, 600.0  # messages to a channel, in seconds
FIRST_WAIT, LONGEST_WAIT = 5.0, 900.0  # seconds between attempts
FLAPPING = " It comes and goes: the next is said once it has stayed for a quarter of an hour."
# what chat services would take for a call to everybody, or for a link
_CALLS = re.compile(r"@(?=everyone|here|channel|all\b)|<(?=[!@#])")

Ending = Callable[[NoticeRow], tuple[str, str]]


class Mood(StrEnum):
    """How bad it is, for channels that show it."""

    BAD = "bad"
    GOOD = "good"


@dataclass(frozen=True, slots=True)
class Telling:
    """A message as a channel gets it: plain text, no markup, no secret."""

    title: str
    body: str
    mood: Mood


def plan(
    rows: Sequence[NoticeRow],
    wanted: Iterable[Occasion],
    judged: Collection[str],
    ending: Ending,
    channels: Sequence[str],
    now: datetime,
) -> NoticePlan:
    """What to write down so that the notices agree with what is wanted. Only those of the `judged` kinds may end."""
    before = {row.key: row for row in rows}
    after = dict(before)
    for one in wanted:
        after[one.key] = _opened(before.get(one.key), one, now)
    kept = {one.key for one in wanted}
    for row in rows:
        if row.open and row.key not in kept and row.kind in judged:
            title, text = ending(row)
            after[row.key] = replace(row, open=False, changed_at=now, title=title, text=text)
    told = {key: _told(row, now) for key, row in after.items() if row.told != row.open and _may_tell(row, now)}
    after.update(told)
    drop = [row.key for row in after.values() if not row.open and not row.told and now - row.changed_at > REMEMBERED]
    put = [row for key, row in after.items() if row != before.get(key) and key not in drop]
    messages = [(channel, _message(row)) for row in told.values() for channel in channels]
    return NoticePlan(put, drop, messages)


def compose(messages: Sequence[Mapping[str, Any]]) -> Telling:
    """One message of all that waits, in the order in which it happened."""
    mood = Mood.GOOD if all(one["over"] for one in messages) else Mood.BAD
    if len(messages) == 1:
        return Telling(clean(messages[0]["title"], LONGEST_TITLE), clean(messages[0]["text"], LONGEST), mood)
    lines = [clean(f"- {one['title']}: {one['text']}", LONGEST_LINE) for one in messages[:LINES]]
    if len(messages) > LINES:
        lines.append(f"and {len(messages) - LINES:,} more: `syncd status` shows how things are now")
    return Telling(_headline(messages), "\n".join(lines), mood)


def clean(text: str, longest: int) -> str:
    """The text without secrets, control characters, and calls that a chat service would act upon."""
    shown = "".join(char if char.isprintable() or char == "\n" else " " for char in redact(text))
    shown = _CALLS.sub(lambda found: f"{found[0]}\u200b", shown)
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


def backoff(failures: int, share: float) -> float:
    """Seconds until the next attempt after so many failures in a row. `share`: a random number from 0 to 1."""
    return float(min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(failures - 1, 20)) * (0.8 + 0.4 * share))


def next_slot(sent: Sequence[float], now: float) -> float:
    """When a channel may get its next message, given when it got the last ones (monotonic seconds)."""
    recent = [at for at in sent if at > now - WINDOW]
    return now if len(recent) < SLOTS else recent[-SLOTS] + WINDOW


def _opened(row: NoticeRow | None, one: Occasion, now: datetime) -> NoticeRow:
    if row is None:
        return NoticeRow(one.key, one.kind, one.title, one.text, True, False, now, now)
    if row.open:
        return replace(row, title=one.title, text=one.text)
    return replace(row, title=one.title, text=one.text, open=True, since=now, changed_at=now)


def _may_tell(row: NoticeRow, now: datetime) -> bool:
    return len(_recent(row, now)) < MOST or now - row.changed_at >= CALM


def _told(row: NoticeRow, now: datetime) -> NoticeRow:
    return replace(row, told=row.open, tellings=(*_recent(row, now), now))


def _recent(row: NoticeRow, now: datetime) -> tuple[datetime, ...]:
    return tuple(at for at in row.tellings if now - at < HOUR)


def _message(row: NoticeRow) -> dict[str, Any]:
    text = row.text + (FLAPPING if len(row.tellings) == MOST else "")
    return {"kind": row.kind, "over": not row.open, "title": row.title, "text": text}


def _headline(messages: Sequence[Mapping[str, Any]]) -> str:
    counts: dict[str, int] = {}
    for one in messages:
        name = "over" if one["over"] else str(one["kind"]).replace("_", " ")
        counts[name] = counts.get(name, 0) + 1
    parts = ", ".join(f"{count:,} {name}" for name, count in counts.items())
    return f"{len(messages):,} notices: {parts}"
