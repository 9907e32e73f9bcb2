"""Many GETs in one request (wire reference §12).

Public: Batch, Part, MOST, TooMuch.

Parts are matched by id, in any order; an outer 200 says nothing about them (§18.38). No mailbox ever sees more than one
item of a batch at a time (§18.37): a batch to one mailbox is a chain (`serial`), in one across mailboxes each has one item.
"""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import orjson

from syncd.sdk import ProtocolError, RateLimited, SyncdError, Transient
from syncd.sdk.http import httpx

from .api import Graph
from .errors import Fault, fault_of, opens_drive, read_fault, refusal
from .throttle import headers_of, inner_later, later
from .wire import LONGEST_LIST, Chain, decode

__all__ = ["MOST", "Batch", "Part", "TooMuch"]

MOST = 20  # items of one batch (§12)
ATTEMPTS = 5  # for items that fail, with 1, 2, 4 and 8 seconds in between
BROKEN_CHAINS = 2  # in one call; then the rest is asked for singly
WHAT = "batch"
USUAL = 32 << 20  # bytes of an answer
CLAIMS = "insufficient_claims"  # continuous access evaluation (§10)


class TooMuch(Exception):
    """The answer is longer than the caller can bear."""


class _NoBatches(Exception):
    """This Graph knows no batches: a proxy may not."""


@dataclass(frozen=True, slots=True)
class Part:
    """The answer to one item. `headers`: names in lower case. `body`: JSON, or a base64 text for other content."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def fault(self) -> Fault:
        return read_fault(self.status, self.body if isinstance(self.body, dict) else {})

    def later(self, scope: str = "account") -> RateLimited | Transient | None:
        """Whether this item means "later"; None for everything else."""
        return inner_later(self.fault, self.headers, scope) if self.status >= 400 else None

    @property
    def doubts_token(self) -> bool:
        """Whether this item says that the token is no good any more; the batch as a whole was let in with it."""
        return self.status == 401 and (
            self.fault.has("invalidauthenticationtoken") or CLAIMS in self.headers.get("www-authenticate", "")
        )

    def json(self, what: str) -> dict[str, Any]:
        """The body as an object. ProtocolError for anything else."""
        if not isinstance(self.body, dict):
            raise ProtocolError(f"{what}: an item of a batch is no JSON object")
        return self.body

    def content(self, what: str) -> bytes:
        """The body of an item that is not JSON. ProtocolError if it is no base64."""
        if not isinstance(self.body, str):
            raise ProtocolError(f"{what}: an item of a batch is no text")
        try:
            return base64.b64decode(self.body, validate=True)
        except binascii.Error as error:
            raise ProtocolError(f"{what}: an item of a batch is not base64") from error


Until: TypeAlias = Callable[[Part], bool] | None


@dataclass(slots=True)
class _Met:
    """What a pass met beside answers: trouble, items that refuse the token, a chain that was cut."""

    trouble: SyncdError | None = None
    doubtful: list[str] = field(default_factory=list)
    cut: bool = False


class Batch:
    """Batches of GETs. `prefer` of the Graph is repeated in each item: outer headers are not inherited.

    `serial`: all items go to one mailbox, so each depends on the one before. `patience`: seconds of a `Retry-After`
    that are waited out here, while all else of that budget is held back (`slow_down`); beyond, RateLimited is raised, and
    whoever called holds it back. `cap`: bytes of an answer; beyond, TooMuch is raised. One that is not USUAL is kept to
    while the answer comes.
    """

    def __init__(self, graph: Graph, *, serial: bool, patience: float = 0.0, cap: int = USUAL) -> None:
        self._graph = graph
        self._serial = serial
        self._patience = patience
        self._cap = cap
        self._scope = "lane" if "syncd.lane" in graph.extensions else "account"
        self._none = False

    async def get(
        self,
        paths: Sequence[str],
        prefer: Sequence[str] = (),
        *,
        into: dict[str, Part] | None = None,
        until: Until = None,
    ) -> dict[str, Part]:
        """The answer to each path (below the version root, with its query), none of them "later".

        What is throttled or failed is asked for again, only that, after the longest time given (§12). An item that
        refuses the token is asked for alone, which leads to a new token (§18.35); the others go with that. Raises the last
        trouble if some items are still without an answer, and what the outer request meets; what was settled before is
        in `into` then. `until`: an answer after which the others are of no interest.
        """
        found = {} if into is None else into
        left, broken, attempt = list(dict.fromkeys(paths)), 0, 0
        doubted: set[str] = set()
        while left:
            if self._none or (self._serial and broken >= BROKEN_CHAINS):
                await self._singly(left, found, until)
                break
            met = await self._pass(left, prefer, found, until)
            if _is_enough(found, until):
                break
            for one in [one for one in met.doubtful if one in doubted] or met.doubtful[:1]:
                found[one] = await self._with_new_token(one)
            doubted.update(met.doubtful)
            before, left = len(left), [one for one in left if one not in found]
            broken += met.cut
            if left and not self._none and (met.trouble is not None or len(left) == before):
                attempt += 1
                await self._rest(met.trouble or Transient("a batch lacks answers"), attempt)
        return found

    async def _pass(self, left: Sequence[str], prefer: Sequence[str], found: dict[str, Part], until: Until) -> "_Met":
        """Ask for all that is left once, in as many batches as it takes, as long as that is of interest."""
        met = _Met()
        for start in range(0, len(left), MOST):
            some = left[start : start + MOST]
            try:
                answers = await self._outer(some, prefer)
            except _NoBatches:
                self._none = True
                break
            met.trouble = _worse(met.trouble, self._sort(some, answers, found))
            met.doubtful += [one for one, part in answers.items() if one not in found and part.doubts_token]
            met.cut = met.cut or any(part.status == 424 for part in answers.values())
            if _is_enough(found, until):
                break
        return met

    def _sort(self, asked: Sequence[str], answers: Mapping[str, Part], found: dict[str, Part]) -> SyncdError | None:
        """Keep what is settled; gives the trouble of what is not.

        Dependants of a failed item (424) are no trouble, and who refuses the token is not settled yet.
        """
        trouble: SyncdError | None = None
        for path in asked:
            part = answers.get(path)
            if part is None:
                trouble = _worse(trouble, Transient("a batch lacks an answer"))
            elif (waiting := part.later(self._scope)) is not None:
                trouble = _worse(trouble, waiting)
            elif part.status != 424 and (opens_drive(path) or not part.doubts_token):
                found[path] = part
        return trouble

    async def _with_new_token(self, path: str) -> Part:
        """The answer to an item alone: a token that is refused is replaced once on the way. Raises if that is no use."""
        _, part = await self._one(path)
        if part.doubts_token:
            raise refusal(part.fault, WHAT, self._graph.needs)
        return part

    async def _rest(self, trouble: SyncdError, attempt: int) -> None:
        """Wait as told, or as usual; raise what is not to be waited out here."""
        wait = trouble.retry_after if isinstance(trouble, RateLimited) else None
        if attempt >= ATTEMPTS or (isinstance(trouble, RateLimited) and (wait or 1.0) > self._patience):
            raise trouble
        await self._graph.ctx.clock.sleep(2.0 ** (attempt - 1) if wait is None else wait)

    async def _outer(self, paths: Sequence[str], prefer: Sequence[str]) -> dict[str, Part]:
        """One batch of at most MOST items; path → part, for those that have an answer."""
        body = orjson.dumps({"requests": [self._item(place, path, prefer) for place, path in enumerate(paths)]})
        answer = decode(await self._post(body), WHAT)
        found: dict[str, Part] = {}
        chain = Chain(WHAT, LONGEST_LIST)
        while True:
            for place, part in _parts(answer):
                if place < len(paths):
                    found[paths[place]] = part
            link = answer.get("@odata.nextLink")  # more answers are pending (§12)
            if not isinstance(link, str) or not link:
                return found
            answer = decode((await self._graph.get(chain.follow(link), WHAT)).content, WHAT)

    def _item(self, place: int, path: str, prefer: Sequence[str]) -> dict[str, Any]:
        item: dict[str, Any] = {"id": str(place + 1), "method": "GET", "url": path}
        preferred = ", ".join((*self._graph.prefer, *prefer))
        if preferred:
            item["headers"] = {"Prefer": preferred}
        if self._serial and place:
            item["dependsOn"] = [str(place)]
        return item

    async def _post(self, body: bytes) -> bytes | bytearray:
        """The answer's bytes, up to the cap. The client looks into those that it reads itself (`slow_down`)."""
        graph, http = self._graph, self._graph.ctx.http
        request: dict[str, Any] = {
            "content": body,
            "headers": {**graph.headers((), None), "Content-Type": "application/json"},
            "extensions": {**graph.extensions, "syncd.safe": True},
        }
        if self._cap == USUAL:
            response = await http.post(graph.address("/$batch"), **request)
            self._judge(response)
            if len(response.content) > self._cap:
                raise TooMuch
            return response.content
        async with http.stream("POST", graph.address("/$batch"), **request) as response:
            if response.status_code >= 400:
                await response.aread()
                self._judge(response)
            read = bytearray()
            async for chunk in response.aiter_bytes():
                read += chunk
                if len(read) > self._cap:
                    raise TooMuch
            return read

    def _judge(self, response: httpx.Response) -> None:
        if response.status_code in (404, 405, 501):
            raise _NoBatches
        if response.status_code >= 400:
            raise self._graph.problem(response, WHAT)

    async def _singly(self, paths: Sequence[str], found: dict[str, Part], until: Until) -> None:
        """Without batches: where there are none, or a chain breaks at every item."""
        first, *rest = paths
        found.update([await self._one(first)])
        if until is None or not until(found[first]):
            found.update(await self._graph.ctx.gather([self._one(path) for path in rest]))

    async def _one(self, path: str) -> tuple[str, Part]:
        graph = self._graph
        response = await graph.ctx.http.get(
            graph.address(path), headers=graph.headers((), None), extensions=dict(graph.extensions)
        )
        if response.status_code >= 400 and (waiting := later(response)) is not None:
            raise waiting
        return path, Part(response.status_code, dict(response.headers), _body(response))


def _is_enough(found: Mapping[str, Part], until: Until) -> bool:
    return until is not None and any(map(until, found.values()))


def _body(response: httpx.Response) -> Any:
    """As it would stand in a batch."""
    if "json" in response.headers.get("content-type", "") or response.status_code >= 400:
        try:
            return orjson.loads(response.content)
        except orjson.JSONDecodeError:
            return {"error": {"code": "", "message": fault_of(response).message}}
    return base64.b64encode(response.content).decode()


def _parts(answer: Mapping[str, Any]) -> list[tuple[int, Part]]:
    """The parts with their place in the batch. ProtocolError if there is no list of them."""
    listed = answer.get("responses")
    if not isinstance(listed, list):
        raise ProtocolError("batch: the answer has no responses")
    found: list[tuple[int, Part]] = []
    for one in listed:
        number, status = (one.get("id"), one.get("status")) if isinstance(one, dict) else (None, None)
        if isinstance(number, str) and number.isdecimal() and isinstance(status, int) and int(number) > 0:
            found.append((int(number) - 1, Part(status, headers_of(one.get("headers")), one.get("body"))))
    return found


def _worse(one: SyncdError | None, other: SyncdError | None) -> SyncdError | None:
    """The trouble that says most about what to do: throttling, and of that the longest wait."""
    if one is None or other is None:
        return one or other
    if isinstance(one, RateLimited) and isinstance(other, RateLimited):
        return max(one, other, key=lambda error: error.retry_after or 0.0)
    return other if isinstance(other, RateLimited) else one
