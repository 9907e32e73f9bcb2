"""`/`: one card per sync, those in trouble first.

Public: routes, card_of.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from syncd.control.browse import schedule_text

from .render import Pages, page_number

__all__ = ["card_of", "routes"]

PER_PAGE = 48
STATES = ("running", "paused", "held", "waiting", "idle", "disabled")
Card = dict[str, Any]


def routes(pages: Pages) -> list[BaseRoute]:
    async def home(request: Request) -> Response:
        return await _home(pages, request)

    return [Route("/", pages.view(home), methods=["GET"])]


async def _home(pages: Pages, request: Request) -> Response:
    status = await pages.status()
    text = request.query_params.get("q", "").strip()
    state = request.query_params.get("state", "")
    named = [card for card in status["syncs"] if _fits(card, text)]
    counts = Counter(card["state"] for card in named)
    chosen = sorted((card for card in named if state in ("", card["state"])), key=_rank)
    number = page_number(request, len(chosen), PER_PAGE)
    running = pages.browse.running()
    shown = chosen[number * PER_PAGE :][:PER_PAGE]
    return pages.show(
        request,
        "home.html",
        cards=[card_of(pages, card, running) for card in shown],
        total=len(status["syncs"]),
        found=len(chosen),
        counts=[(name, counts[name]) for name in STATES if counts[name]],
        text=text,
        state=state,
        page=number,
        pages=max(1, -(-len(chosen) // PER_PAGE)),
        problems=status["problems"],
        live=any(card["state"] == "running" for card in shown),
    )


def _fits(card: Card, text: str) -> bool:
    words = text.casefold().split()
    place = f"{card['name']} {card['connection']} {' '.join(one['stream'] for one in card['streams'])}".casefold()
    return all(word in place for word in words)


def _rank(card: Card) -> tuple[int, str]:
    """What needs a person first; what is switched off last."""
    if card["state"] in ("paused", "held", "waiting"):
        return ("paused", "held", "waiting").index(card["state"]), card["name"]
    if card["state"] == "disabled":
        return 9, card["name"]
    last = (card["last_run"] or {}).get("status", "")
    return {"failed": 3, "partial": 4, "cancelled": 5}.get(last, 6), card["name"]


def card_of(pages: Pages, card: Card, running: Mapping[str, Any]) -> Card:
    streams: Sequence[Mapping[str, Any]] = card["streams"]
    fresh = [one["freshness_s"] for one in streams]
    config = pages.control.parts.config.syncs.get(card["name"])
    return {
        **card,
        "schedule": schedule_text(config.schedule) if config else "",
        "records": sum(one["records"] for one in streams),
        "accounts": max((one["accounts"] for one in streams), default=0),
        "freshness_s": None if not fresh or None in fresh else max(fresh),
        "progress": running.get(card["name"]),
    }
