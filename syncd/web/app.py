"""The web application: guard, API, pages and metrics put together.

Public: create_app.

The dashboard may set `app.state.error_page(request, error) -> Response` and `app.state.login_page` (see `login`): browsers that ask for a page
are then shown errors as pages.
"""

import asyncio

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse
from starlette.exceptions import HTTPException
from starlette.middleware.body_limit import RequestBodyLimitMiddleware

from syncd.control.control import Control
from syncd.control.errors import USAGE, ControlError

from . import api, login, metrics, pages
from .access import Access
from .answers import as_json, refusal
from .security import Guard, error_answer
from .sessions import Sessions

__all__ = ["create_app"]

LARGEST_BODY = 1 << 20


def create_app(control: Control, stop: asyncio.Event, version: str, access: Access) -> FastAPI:
    """The app. Streams end when `stop` is set."""
    app = FastAPI(
        title="syncd",
        version=version,
        summary="The command line over HTTP, one to one",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    app.add_exception_handler(ControlError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=LARGEST_BODY)  # FastAPI's own would stand outside of
    sessions = Sessions(access)
    app.add_middleware(Guard, access=access, sessions=sessions)  # the guard, and answer strangers
    _add_health(app, control)
    login.mount(app, access, sessions)
    api.mount(app, control, stop)
    metrics.mount(app, control)
    pages.mount(app, control, stop)
    return app


def _add_health(app: FastAPI, control: Control) -> None:
    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> Response:
        """The process lives, and its event loop answers."""
        return PlainTextResponse("ok\n")

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        """It does its work: 503 with reasons if not."""
        reasons = await control.reports.unready()
        return as_json({"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, ControlError)
    return error_answer(request.scope, error)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    places = "; ".join(f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors())
    return refusal(ControlError(places, hint="see /api/v1/openapi.json", exit_code=USAGE))


async def _http_error(request: Request, error: Exception) -> Response:
    """No such path, wrong method, body too large."""
    assert isinstance(error, HTTPException)
    refused = ControlError(
        str(error.detail), hint="see /api/v1/openapi.json", exit_code=USAGE, status=error.status_code
    )
    return error_answer(request.scope, refused, error.headers)
