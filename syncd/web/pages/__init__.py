"""The dashboard: pages rendered here, that work without a script and are nicer with one.

Public: mount.

One module per group of pages (home, syncs, runs, records, organisation); `render` holds what they share, `words` how
values are written, `charts` and `mail` make pictures and mails out of data. Templates and the static files stand in
`syncd/web/templates` and `syncd/web/static`.
"""

import asyncio
from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from syncd.control.control import Control

from . import home, organisation, records, runs, syncs
from .render import Pages

__all__ = ["mount"]

STATIC = Path(__file__).parent.parent / "static"


def mount(app: FastAPI, control: Control, stop: asyncio.Event) -> None:
    """Add the pages and `/static`; errors that a browser meets elsewhere, and the login, become pages too."""
    pages = Pages(control, app.version)
    for module in (home, syncs, runs, records, organisation):
        app.router.routes.extend(module.routes(pages))
    app.router.routes.append(Mount("/static", StaticFiles(directory=STATIC), name="static"))

    def login_page(request: Request, where: str, message: str, status: int) -> Response:
        return pages.show(request, "login.html", status, where=where, message=message)

    app.state.error_page = pages.refusal
    app.state.login_page = login_page
