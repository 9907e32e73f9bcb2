"""`/syncs/NAME`: one sync: its state, decisions that wait, its history as table and chart; and its buttons.

Public: routes.
"""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any
from urllib.parse import quote

from fastapi import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from .charts import stacked
from .home import card_of
from .render import Pages, number_in

__all__ = ["routes"]

PER_PAGE = 60
Form = Mapping[str, str]


def routes(pages: Pages) -> list[BaseRoute]:
    def back(request: Request) -> str:
        return f"/syncs/{quote(request.path_params['name'], safe='')}"

    async def show(request: Request) -> Response:
        return await _show(pages, request)

    actions = {
        "run": _run,
        "enable": _switch(True),
        "disable": _switch(False),
        "resume": _resume,
        "reset": _reset,
        "approve": _decide(True),
        "reject": _decide(False),
    }

    def action(act: Any) -> Any:
        async def do(request: Request, form: Form) -> tuple[str, str]:
            name = request.path_params["name"]
            place, text = await act(pages, name, form)
            return place or back(request), text

        return pages.action(do, back)

    posts = [Route(f"/syncs/{{name}}/{verb}", action(act), methods=["POST"]) for verb, act in actions.items()]
    return [Route("/syncs/{name}", pages.view(show), methods=["GET"]), *posts]


async def _show(pages: Pages, request: Request) -> Response:
    name = request.path_params["name"]
    before = number_in(request, "before")
    config = pages.browse.sync(name)
    runs, status = await asyncio.gather(pages.browse.runs(name, PER_PAGE + 1, before), pages.status([name]))
    held: dict[str, Any] = {"count": 0, "sets": [], "shown": ""}
    if config is not None:
        held = await pages.control.held(name)
    card = next(iter(status["syncs"]), None)
    finished = [one for one in reversed(runs[:PER_PAGE]) if one["status"] != "running"]
    return pages.show(
        request,
        "sync.html",
        name=name,
        config=config,
        card=None if card is None else card_of(pages, card, pages.browse.running()),
        held=held,
        runs=runs[:PER_PAGE],
        older=runs[PER_PAGE - 1]["run"] if len(runs) > PER_PAGE else None,
        first=before is None,
        chart=stacked(finished) if finished else None,
    )


async def _run(pages: Pages, name: str, form: Form) -> tuple[str, str]:
    events = pages.control.sync(name, full="full" in form)
    async with aclosing(events) as some:  # type: ignore[type-var]
        first = await anext(some)
    joined = "is under way already" if first["joined"] else "has begun"
    return f"/runs/{first['run']}", f"Run {first['run']} of {name} {joined}."


def _switch(on: bool) -> Any:
    async def switch(pages: Pages, name: str, form: Form) -> tuple[str, str]:
        answer = await pages.control.switch(name, on)
        note = f" – {answer['note']}" if answer["note"] else ""
        return "", f"{name} is {answer['state']}{note}."

    return switch


async def _resume(pages: Pages, name: str, form: Form) -> tuple[str, str]:
    answer = await pages.control.resume(name)
    return "", f"{name} {answer['state']}." if answer["state"] != "resumed" else f"{name} is resumed."


async def _reset(pages: Pages, name: str, form: Form) -> tuple[str, str]:
    answer = await pages.control.reset(name)
    return "", f"{name} starts over: {answer['partitions']} places are forgotten, data stays; the next run reads all."


def _decide(approve: bool) -> Any:
    async def decide(pages: Pages, name: str, form: Form) -> tuple[str, str]:
        answer = await pages.control.decide(name, approve, shown=form.get("shown", ""))
        done = "approved: the records are deleted" if approve else "rejected: the records stay"
        return "", f"{answer['decided']} deletions {done}."

    return decide
