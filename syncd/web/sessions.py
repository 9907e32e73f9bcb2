"""Login sessions of browsers: a signed cookie, and protection against requests forged by other sites.

Public: Sessions, Session, csrf_token, COOKIE, same_origin.

The cookie holds a random session id and when it was made, signed with a key that comes from the token: another token
ends all sessions, and so does another start of the daemon: it does not know any more who logged out.
"""

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from urllib.parse import urlsplit

from fastapi import Request
from itsdangerous import BadSignature, TimestampSigner

from syncd.sdk import Clock

from .access import Access

__all__ = ["COOKIE", "CSRF_FIELD", "CSRF_HEADER", "Session", "Sessions", "csrf_token", "same_origin"]

COOKIE = "syncd_session"
CSRF_FIELD, CSRF_HEADER = "csrf", "x-csrf-token"
LIFE = 12 * 3600  # seconds
ENDED = 10_000  # logged-out sessions that are remembered


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that is logged in. `csrf` goes into its forms and comes back with them."""

    id: str
    csrf: str

    def made(self, given: str) -> bool:
        """Whether a request that brings this was made from one of the session's own pages."""
        return hmac.compare_digest(given.encode("utf-8", "replace"), self.csrf.encode())


class Sessions:
    """Makes and reads the cookies."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._start = secrets.token_hex(16)
        self._ended: OrderedDict[str, None] = OrderedDict()

    def begin(self) -> str:
        """A new session's cookie."""
        return self._signer().sign(secrets.token_urlsafe(24)).decode("ascii")

    def read(self, cookie: str) -> Session | None:
        """The session of a cookie; None if it is forged, too old, or over."""
        try:
            name = self._signer().unsign(cookie, max_age=LIFE).decode("ascii")
        except (BadSignature, UnicodeError):
            return None
        return None if name in self._ended else Session(name, self._derived(f"csrf {name}").hex())

    def end(self, session: Session) -> None:
        """The cookie opens nothing any more."""
        self._ended[session.id] = None
        if len(self._ended) > ENDED:
            self._ended.popitem(last=False)

    def _signer(self) -> "_Signer":
        return _Signer(self._derived("session"), self._access.clock)

    def _derived(self, purpose: str) -> bytes:
        return hmac.digest(self._access.token().encode(), f"syncd {self._start} {purpose}".encode(), sha256)


class _Signer(TimestampSigner):
    """itsdangerous by the injected clock."""

    def __init__(self, key: bytes, clock: Clock) -> None:
        super().__init__(key, salt="syncd.session", digest_method=sha256)
        self._clock = clock

    def get_timestamp(self) -> int:
        return int(self._clock.now().timestamp())


def csrf_token(request: Request) -> str:
    """What a form must carry as the field `csrf`, and a fetch as the header `x-csrf-token`. Empty without a session."""
    session: Session | None = getattr(request.state, "session", None)
    return "" if session is None else session.csrf


def same_origin(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that one of our own pages asks. A client that is no browser says nothing.

    Sec-Fetch-Site decides where it is sent (it is not over plain HTTP to another machine); else Origin must name
    the host that was asked.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return site in ("same-origin", "none")
    return origin is None or (origin != "null" and urlsplit(origin).netloc == headers.get("host"))
