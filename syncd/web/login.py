"""Logging in with the token, and out again.

Public: mount. A page of its own may be put in place as `app.state.login_page(request, next, message, status) -> Response`.
"""

from html import escape
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import FastAPI, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from syncd.engine.log import logger

from .access import Access, Attempts
from .security import too_many
from .sessions import COOKIE, LIFE, Session, Sessions

__all__ = ["mount"]

WRONG, WINDOW = 5, 60.0  # wrong tokens that one client may try in so many seconds
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Log in · syncd</title>
<main><h1>syncd</h1><p role="alert">{message}</p>
<form method="post" action="/login"><input type="hidden" name="next" value="{next}">
<label>Token <input type="password" name="token" autocomplete="current-password" required autofocus></label>
<button>Log in</button></form></main></html>
"""

log = logger()


def mount(app: FastAPI, access: Access, sessions: Sessions) -> None:
    """Add GET and POST /login, POST /logout."""
    attempts = Attempts(access.clock, WRONG, WINDOW)

    @app.get("/login", include_in_schema=False)
    async def show(request: Request, next: str = "/") -> Response:  # noqa: A002 - the query's name
        if request.state.principal is not None:
            return RedirectResponse(_inside(next), status_code=303)
        return _page(request, _inside(next))

    @app.post("/login", include_in_schema=False)
    async def login(
        request: Request,
        token: Annotated[str, Form()] = "",
        next: Annotated[str, Form()] = "/",  # noqa: A002
    ) -> Response:
        client = request.client.host if request.client else ""
        wait = attempts.wait(client)
        if wait:
            answer = _page(request, _inside(next), too_many(wait).message, 429)
            answer.headers["retry-after"] = str(int(wait) + 1)
            return answer
        if not access.knows(token.strip().encode()):
            attempts.wrong(client)
            log.warning("a login with a wrong token", client=client)
            return _page(request, _inside(next), "The token is wrong.", 401)
        attempts.right(client)
        return _begun(request, sessions.begin(), _inside(next))

    @app.post("/logout", include_in_schema=False)
    async def logout(request: Request) -> Response:
        session: Session | None = request.state.session
        if session is not None:
            sessions.end(session)
        answer = RedirectResponse("/login", status_code=303)
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return answer


def _begun(request: Request, cookie: str, where: str) -> Response:
    """To the page that was asked for, with the cookie: for HTTPS only where the browser says that it came that way."""
    answer = RedirectResponse(where, status_code=303)
    secure = urlsplit(request.headers.get("origin", "")).scheme == "https"
    answer.set_cookie(COOKIE, cookie, max_age=LIFE, path="/", httponly=True, samesite="strict", secure=secure)
    return answer


def _inside(where: str) -> str:
    """A path of this daemon; anything else becomes its first page."""
    plain = where.startswith("/") and not where.startswith("//") and where.isprintable() and "\\" not in where
    return where if plain else "/"


def _page(request: Request, where: str, message: str = "", status: int = 200) -> Response:
    own = getattr(request.app.state, "login_page", None)
    if own is not None:
        page: Response = own(request, where, message, status)
        return page
    return HTMLResponse(PAGE.format(message=escape(message), next=escape(where)), status)
