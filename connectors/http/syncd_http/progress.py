"""Bookmarks and resume points: pure functions from what a page showed to where the next one starts.

Public: Progress, begin.

Modified since: a bookmark is the largest time of modification seen, but never later than the API's clock when the round began
(an entry may change behind the page that showed it), less the overlap when it is asked from. The digests of what the overlap
held go along, so that an idle round yields nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from syncd.sdk import JSON, Context, CursorExpired, ProtocolError, parse_duration
from syncd.sdk.http import httpx

from .answers import date_of
from .moments import written
from .paging import Place, digest_of, is_token
from .paths import Path
from .plan import ModifiedSince, StreamPlan, SyncToken

__all__ = ["Progress", "Rule", "begin", "rule_of"]

_REMEMBERED = 500  # entries of the overlap, which go with every resume point; others are repeated, which does no harm
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Rule:
    """How a stream knows what is new. `made_for`: a digest of the request; a bookmark of another request is none."""

    made_for: str
    since: ModifiedSince | None = None
    token: SyncToken | None = None

    @property
    def overlap(self) -> float:
        return parse_duration(self.since.overlap).total_seconds() if self.since else 0.0


def rule_of(plan: StreamPlan) -> Rule:
    one = plan.incremental
    asked: list[Any] = [plan.method, plan.path, plan.params, plan.body, plan.records, plan.id]
    asked += [plan.modified, plan.deleted, plan.deleted_ids]
    asked += [one.modified_since and one.modified_since.param, one.sync_token and one.sync_token.param]
    return Rule(digest_of(asked), one.modified_since, one.sync_token)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a round is. Times are seconds since 1970 by the API's clock.

    `bound`: where the last round ended. `began`: the API's clock at this round's first page. `top`: the latest change seen.
    `recent`: by a digest of the id, a digest of the entry and its time. `known`: what the last round remembered.
    """

    rule: Rule
    place: Place | None = None
    bound: float | None = None
    token: str | int | None = None
    began: float | None = None
    top: float | None = None
    known: Mapping[str, list[Any]] = field(default_factory=dict)
    recent: Mapping[str, list[Any]] = field(default_factory=dict)

    def params(self) -> dict[str, JSON]:
        """What the round adds to its requests."""
        if self.rule.token is not None and self.token is not None:
            return {self.rule.token.param: self.token}
        if self.rule.since is not None and self.bound is not None:
            since = datetime.fromtimestamp(self.bound - self.rule.overlap, UTC)
            return {self.rule.since.param: written(since, self.rule.since.format)}
        return {}

    def is_known(self, source_id: str, digest: str) -> bool:
        """Whether the last round showed just this."""
        return bool(self.known.get(digest_of(source_id), [None])[0] == digest)

    def saw(self, response: httpx.Response | None, changes: Mapping[str, tuple[str, float]]) -> "Progress":
        """After a page with these entries: id → digest and time of change."""
        if self.rule.since is None:
            return self
        times = [changed for _, changed in changes.values()]
        top = max([*times, *([] if self.top is None else [self.top])], default=None)
        began = self.began
        if began is None:
            date = date_of(response) if response is not None else None
            began = date.timestamp() if date is not None else (top if top is not None else self.bound)
        marks = {digest_of(source_id): list(pair) for source_id, pair in changes.items()}
        one = replace(self, top=top, began=began)
        return replace(one, recent=one._kept({**self.recent, **marks}))

    def resume(self, place: Place) -> JSON:
        """The resume point behind a page."""
        return {**self._json(), "place": place, "began": self.began, "top": self.top, "recent": dict(self.recent)}

    def bookmark(self, answer: Any) -> JSON:
        """Where the next delta round starts. Raises ProtocolError if the last page has no sync token."""
        if self.rule.token is not None:
            token = Path(self.rule.token.path).first(answer)
            if not is_token(token):
                raise ProtocolError(f"the last page has no sync token at {self.rule.token.path!r}")
            return {"v": _VERSION, "for": self.rule.made_for, "token": token}
        if self.rule.since is None:
            return None
        bound = self._next_bound()
        known = self._kept({**self.known, **self.recent}, bound)
        return {"v": _VERSION, "for": self.rule.made_for, "bound": bound, "known": known}

    def _next_bound(self) -> float | None:
        tops = [one for one in (self.top, self.bound) if one is not None]
        if not tops:
            return self.began
        top = max(tops)
        return top if self.began is None else max(min(top, self.began), self.bound or 0.0)

    def _kept(self, marks: Mapping[str, list[Any]], bound: float | None = None) -> dict[str, list[Any]]:
        """The marks that the overlap before `bound` (as far as it is known yet) will show again, the latest ones."""
        bound = self._next_bound() if bound is None else bound
        floor = float("-inf") if bound is None else bound - self.rule.overlap - 1.0
        kept = {key: mark for key, mark in marks.items() if mark[1] >= floor}
        if len(kept) <= _REMEMBERED:
            return kept
        latest = sorted(kept, key=lambda key: kept[key][1])[-_REMEMBERED:]
        return {key: kept[key] for key in latest}

    def _json(self) -> dict[str, JSON]:
        basis = {"v": _VERSION, "for": self.rule.made_for, "bound": self.bound, "known": dict(self.known)}
        return basis if self.token is None else {**basis, "token": self.token}


def begin(rule: Rule, ctx: Context) -> Progress:
    """Where a round starts. Raises CursorExpired for a cursor of another version, or of another request."""
    cursor = ctx.cursor
    if cursor is None:
        return Progress(rule)
    if not isinstance(cursor, dict) or cursor.get("v") != _VERSION or cursor.get("for") != rule.made_for:
        raise CursorExpired("the settings ask for something else now")
    names = {"place", "bound", "token", "began", "top", "known", "recent"}
    return Progress(rule, **{name: value for name, value in cursor.items() if name in names and (value is not None)})
