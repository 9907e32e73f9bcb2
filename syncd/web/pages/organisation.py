"""Connections and their accounts, configuration problems, plugins, and what error codes mean.

Public: routes.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from fastapi import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from syncd.control.errors import ControlError

from .render import Pages, page_number

__all__ = ["routes"]

CARDS, PER_PAGE = 48, 200


def routes(pages: Pages) -> list[BaseRoute]:
    def back(request: Request) -> str:
        return f"/connections/{quote(request.path_params['name'], safe='')}"

    async def connections(request: Request) -> Response:
        return await _connections(pages, request)

    async def connection(request: Request) -> Response:
        return await _connection(pages, request)

    async def import_accounts(request: Request, form: Mapping[str, str]) -> tuple[str, str]:
        answer = await pages.control.import_accounts(request.path_params["name"])
        return back(request), _imported(answer)

    async def check(request: Request, form: Mapping[str, str]) -> tuple[str, str]:
        (answer,) = await pages.control.check(request.path_params["name"])
        return back(request), _checked(answer)

    async def problems(request: Request) -> Response:
        status = await pages.status()
        return pages.show(request, "problems.html", problems=status["problems"], folder=str(pages.control.parts.folder))

    async def plugins(request: Request) -> Response:
        return pages.show(request, "plugins.html", **pages.control.connectors())

    async def errors(request: Request) -> Response:
        return pages.show(request, "errors.html", entries=pages.browse.explanations())

    async def error(request: Request) -> Response:
        entry = pages.browse.explanation(request.path_params["code"])
        return pages.show(request, "explanation.html", entry=entry)

    return [
        Route("/connections", pages.view(connections), methods=["GET"]),
        Route("/connections/{name}", pages.view(connection), methods=["GET"]),
        Route("/connections/{name}/import", pages.action(import_accounts, back), methods=["POST"]),
        Route("/connections/{name}/check", pages.action(check, back), methods=["POST"]),
        Route("/problems", pages.view(problems), methods=["GET"]),
        Route("/plugins", pages.view(plugins), methods=["GET"]),
        Route("/errors", pages.view(errors), methods=["GET"]),
        Route("/errors/{code}", pages.view(error), methods=["GET"]),
    ]


async def _connections(pages: Pages, request: Request) -> Response:
    text = request.query_params.get("q", "").strip().casefold()
    every = await pages.browse.connections()
    fitting = [one for one in every if text in f"{one['name']} {one['connector']}".casefold()]
    number = page_number(request, len(fitting), CARDS)
    return pages.show(
        request,
        "connections.html",
        connections=fitting[number * CARDS :][:CARDS],
        total=len(every),
        text=text,
        page=number,
        pages=max(1, -(-len(fitting) // CARDS)),
    )


async def _connection(pages: Pages, request: Request) -> Response:
    name = request.path_params["name"]
    every = await pages.control.accounts(name)
    text = request.query_params.get("q", "").strip().casefold()
    fitting = [one for one in every if text in f"{one['account']} {one['name']} {one['role']}".casefold()]
    number = page_number(request, len(fitting), PER_PAGE)
    shown = await pages.browse.connection(name)
    return pages.show(
        request,
        "connection.html",
        connection=shown,
        accounts=fitting[number * PER_PAGE :][:PER_PAGE],
        found=len(fitting),
        total=len(every),
        text=text,
        page=number,
        pages=max(1, -(-len(fitting) // PER_PAGE)),
    )


def _imported(answer: Mapping[str, Any]) -> str:
    new, gone = len(answer.get("new") or ()), len(answer.get("gone") or ())
    return f"{len(answer['accounts'])} accounts imported: {new} new, {gone} gone."


def _checked(answer: Mapping[str, Any]) -> str:
    if answer["error"]:
        raise ControlError(answer["error"]["message"], code=answer["error"]["code"], hint=answer["error"]["hint"])
    states = " · ".join(f"{stream}: {state}" for stream, state in answer["streams"].items())
    return f"The credential works. {states}" if answer["ok"] else f"The credential works, but not for all: {states}"
