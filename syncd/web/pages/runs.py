"""`/runs/N`: one run, live while it goes on: results by stream and account, and every error with what to do.

Public: routes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from syncd.control.errors import ControlError

from .render import Pages, number_in

__all__ = ["routes"]

ERRORS, ACCOUNTS = 100, 200  # shown at once
KINDS = ("new", "updated", "unchanged", "deleted", "failed", "held", "skipped")
WORST = ("failed", "held", "partial", "cancelled")


def routes(pages: Pages) -> list[BaseRoute]:
    def number(request: Request) -> int:
        given: str = request.path_params["run"]
        if not (given.isascii() and given.isdigit() and len(given) < 18):
            raise ControlError(f"{given!r} is not the number of a run", status=404)
        return int(given)

    async def show(request: Request) -> Response:
        return await _show(pages, request, number(request))

    async def cancel(request: Request, form: Mapping[str, str]) -> tuple[str, str]:
        answer = await pages.control.cancel(number(request))
        return f"/runs/{answer['run']}", f"Run {answer['run']} ends after the page that it has in hand."

    def back(request: Request) -> str:
        return f"/runs/{number(request)}"

    return [
        Route("/runs/{run}", pages.view(show), methods=["GET"]),
        Route("/runs/{run}/cancel", pages.action(cancel, back), methods=["POST"]),
    ]


async def _show(pages: Pages, request: Request, number: int) -> Response:
    report = await pages.control.show(number)
    start = number_in(request, "errors") or 0
    progress = next((one for one in pages.browse.running().values() if one["run"] == number), None)
    return pages.show(
        request,
        "run.html",
        run=report,
        streams=[_stream(one) for one in report["streams"]],
        live=progress,
        kinds=KINDS,
        errors=report["errors"][start : start + ERRORS],
        start=start,
        next_errors=start + ERRORS if len(report["errors"]) > start + ERRORS else None,
        kept=len(report["errors"]),
    )


def _stream(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Accounts in trouble first, and no more of them than a page bears."""
    results: Sequence[Mapping[str, Any]] = entry["account_results"]
    ranked = sorted(results, key=lambda one: (_rank(one["status"]), one["account"]))
    return {**entry, "results": ranked[:ACCOUNTS], "more": max(0, len(ranked) - ACCOUNTS)}


def _rank(status: str) -> int:
    return WORST.index(status) if status in WORST else len(WORST) + (status == "completed")
