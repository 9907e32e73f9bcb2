"""From a template and values to an answer; errors become pages in the same style.

Public: Pages, View, Action, number_in, page_number.

A view that raises ControlError becomes an error page with its status; an action (a form's POST) that raises one sends the
person back to where the button stood, with the message. Anything else that is raised is logged and becomes a page 500.
"""

import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from syncd.control.control import Control
from syncd.control.errors import ControlError
from syncd.engine.log import logger
from syncd.sdk import SyncdError, redact
from syncd.web.answers import failure, refusal, status_of
from syncd.web.sessions import csrf_token

from .words import FILTERS, clean, relative

__all__ = ["Action", "Pages", "View", "number_in", "page_number"]

View = Callable[[Request], Awaitable[Response]]
Action = Callable[[Request, Mapping[str, str]], Awaitable[tuple[str, str]]]  # → where to go on, what to say

TEMPLATES = Path(__file__).parent.parent / "templates"
REMEMBERED = 200  # messages that were not shown yet

log = logger()


class Pages:
    """What all pages share: the control, the templates, and messages that wait for the next page."""

    def __init__(self, control: Control, version: str) -> None:
        self.control = control
        self.browse = control.browse
        self._others = 0  # problems that stand in no file, as the status said last
        self._said: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self._templates = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=clean,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= FILTERS
        self._templates.filters["relative"] = self._relative
        self._templates.globals |= {"version": version, "csrf": pass_context(_csrf)}

    def _relative(self, value: str | None) -> str:
        return relative(value, self.control.parts.clock.now())

    async def status(self, names: Collection[str] | None = None) -> dict[str, Any]:
        """What `control.status` says; the number of problems stays for the menu of all pages."""
        status = await self.control.status(names)
        self._others = sum(not one["file"] for one in status["problems"])
        return status

    # -- answers

    def show(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        said = self._said.pop(request.query_params.get("said", ""), None)
        values |= {
            "request": request,
            "said": said,
            "problem_count": len(self.control.parts.problems) + self._others,
        }
        values |= {"session": csrf_token(request) != ""}
        text = self._templates.get_template(template).render(values)
        return HTMLResponse(redact(text).encode("utf-8", "replace"), status, {"cache-control": "no-store"})

    def part(self, template: str, **values: Any) -> bytes:
        """A document of its own, without the page around it."""
        return self._templates.get_template(template).render(values).encode("utf-8", "replace")

    def said(self, kind: str, text: str) -> str:
        """Keep a message for the next page; the name goes into its address as `said`."""
        name = secrets.token_urlsafe(9)
        self._said[name] = (kind, text)
        if len(self._said) > REMEMBERED:
            self._said.popitem(last=False)
        return name

    def refusal(self, request: Request, error: ControlError) -> Response:
        status = status_of(error)
        return self.show(request, "error.html", status, error=error, number=status)

    # -- routes

    def view(self, answer: View) -> View:
        async def endpoint(request: Request) -> Response:
            try:
                return await answer(request)
            except ControlError as error:
                return self.refusal(request, error)
            except Exception as error:
                return self._broken(request, error)

        return endpoint

    def action(self, act: Action, back: Callable[[Request], str]) -> View:
        """A form's POST: do it, then send the browser to a page that says so. `back`: where the button stood."""

        async def endpoint(request: Request) -> Response:
            form = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
            home = "/" if form.get("from") == "home" else back(request)
            try:
                place, text = await act(request, form)
                kind = "done"
            except ControlError as error:
                if _wants_json(request):
                    return refusal(error)
                hint = f" – {error.hint}" if error.hint else ""
                place, kind, text = home, "refused", f"{error.message}{hint}"
            except Exception as error:
                return self._broken(request, error)
            if _wants_json(request):
                return JSONResponse({"place": place, "message": text})
            place = home if form.get("from") == "home" else place
            mark = "&" if "?" in place else "?"
            return RedirectResponse(f"{place}{mark}said={self.said(kind, redact(text))}", 303)

        return endpoint

    def _broken(self, request: Request, error: Exception) -> Response:
        log.error("a page of the dashboard failed", path=request.url.path, exc_info=error)
        if isinstance(error, SyncdError):
            return self.refusal(request, failure(error))
        refusal = ControlError("This page could not be made.", hint="the daemon's log has the traceback", status=500)
        return self.refusal(request, refusal)


def number_in(request: Request, name: str) -> int | None:
    """A number of the address; None if there is none, or anything else."""
    given = request.query_params.get(name, "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 18 else None


def page_number(request: Request, found: int, size: int) -> int:
    """`page` of the address, from 1, as a place from 0; never beyond what is there."""
    return max(0, min((number_in(request, "page") or 1) - 1, (found - 1) // size))


def _wants_json(request: Request) -> bool:
    """The script asks: it stays on the page."""
    return request.headers.get("accept", "") == "application/json"


def _csrf(context: Context) -> str:
    return csrf_token(context["request"])
