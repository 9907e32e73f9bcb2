"""OAuth state of a world: the client, its refresh tokens, grant codes and access tokens (zoho.md §3).

Public: AccessToken, Credentials, Grant. The HTTP side is in accounts.py.
"""

import random
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncd_simulator.zoho.world import User, ZohoWorld

__all__ = ["AccessToken", "Credentials", "Grant"]

LIFE = 3600  # seconds, §3.2
LIVE_TOKENS = 15  # §3.4: per refresh token
REFRESH_TOKENS = 20  # §3.4: per user and client
CODE_LIFE = 180  # §3.2

Scopes = frozenset[str] | None  # None: every scope
EVERY = frozenset({
    "AaaServer.profile.READ", "ZohoMail.accounts.READ", "ZohoMail.folders.READ", "ZohoMail.messages.ALL",
    "ZohoMail.messages.READ", "ZohoMail.organization.accounts.READ", "ZohoCalendar.calendar.READ",
    "ZohoCalendar.event.ALL", "ZohoCalendar.event.READ", "zohocontacts.contactapi.ALL",
    "zohocontacts.contactapi.READ", "WorkDrive.team.READ", "WorkDrive.workspace.READ", "WorkDrive.files.ALL",
    "WorkDrive.files.READ", "ZohoFiles.files.ALL", "ZohoFiles.files.READ", "ZohoCRM.modules.ALL",
    "ZohoCRM.users.READ", "ZohoCRM.org.READ", "ZohoCRM.settings.ALL", "ZohoCRM.notifications.ALL",
    "ZohoCRM.coql.READ", "ZohoCRM.bulk.READ", "ZohoSearch.securesearch.READ",
})  # fmt: skip


@dataclass(slots=True)
class AccessToken:
    """Good for an hour in one data centre."""

    text: str
    user: "User"
    scopes: Scopes
    dc: str
    expires: float


@dataclass
class Grant:
    """What a refresh token stands for; `live` are its access tokens, the oldest first."""

    refresh_token: str
    user: "User"
    scopes: Scopes
    live: deque[str] = field(default_factory=deque)


@dataclass(slots=True)
class Code:
    """A grant code: once, within its life."""

    user: "User"
    scopes: Scopes
    expires: float
    redirect_uri: str | None
    offline: bool  # whether the exchange gives a refresh token (§3.1)


class Credentials:
    """The client and everything issued to it.

    Knobs: `granted_scopes` (None: every scope; narrows all tokens at once), `expires_in_sec` (older servers:
    `expires_in_sec` and milliseconds in `expires_in`), `localised` (the throttle's text in Chinese),
    `throttle_status` (400, or 200 as Kaizen #43 says), `api_domain` (instead of the world's own gateway),
    `multi_dc` (False: other data centres do not know the client), `redirect_uris` (None: any).
    """

    def __init__(self, world: "ZohoWorld") -> None:
        self._world = world
        self._rng = random.Random(f"credentials {world.seed}")
        self.client_id = f"1000.{self._hex(30).upper()}"
        self.client_secret = self._hex(42)
        self.granted_scopes: set[str] | None = None
        self.expires_in_sec = False
        self.localised = False
        self.throttle_status = 400
        self.api_domain: str | None = None
        self.multi_dc = True
        self.redirect_uris: set[str] | None = None
        self.grants: dict[str, Grant] = {}
        self.tokens: dict[str, AccessToken] = {}
        self.codes: dict[str, Code] = {}
        self.minted = 0
        self.consented: set[str] = set()  # users who have seen the consent page
        self._owners: dict[str, str] = {}

    def _hex(self, digits: int) -> str:
        return format(self._rng.getrandbits(4 * digits), f"0{digits}x")

    def opaque(self) -> str:
        """`1000.<32 hex>.<32 hex>`, the look of every Zoho token."""
        return f"1000.{self._hex(32)}.{self._hex(32)}"

    # -- issuing --------------------------------------------------------------------------------------------------

    def refresh_token(self, user: "User") -> str:
        """The refresh token that syncd is configured with; made at the first call, anew after `revoke`."""
        text = self._owners.get(user.id, "")
        if text not in self.grants:
            text = self._owners[user.id] = self.grant(user).refresh_token
        return text

    def grant(self, user: "User", scopes: Scopes = None) -> Grant:
        """A new refresh token; the 21st of a user deletes the first and its access tokens (§3.4)."""
        mine = [grant for grant in self.grants.values() if grant.user is user]
        if len(mine) >= REFRESH_TOKENS:
            self.revoke(mine[0].refresh_token)
        grant = Grant(self.opaque(), user, scopes)
        self.grants[grant.refresh_token] = grant
        return grant

    def mint(self, grant: Grant) -> AccessToken:
        """An access token; the 16th live one silently ends the oldest (§3.4)."""
        now = self._world.now()
        while grant.live and (len(grant.live) >= LIVE_TOKENS or self._dead(grant.live[0], now)):
            self.tokens.pop(grant.live.popleft(), None)
        token = self._issue(grant.user, grant.scopes)
        grant.live.append(token.text)
        self.minted += 1
        return token

    def issue(self, user: "User", scopes: Scopes = None) -> str:
        """An access token without a refresh token, for tests that only need a header."""
        return self._issue(user, scopes).text

    def _issue(self, user: "User", scopes: Scopes) -> AccessToken:
        token = AccessToken(self.opaque(), user, scopes, self._world.dc, self._world.now() + LIFE)
        self.tokens[token.text] = token
        return token

    def code(
        self, user: "User", scopes: Scopes = None, life: float = CODE_LIFE, redirect_uri: str | None = None,
        *, offline: bool = True,
    ) -> str:  # fmt: skip
        """A grant code, as the console gives to self clients (`redirect_uri` None) or the consent page to others."""
        text = self.opaque()
        self.codes[text] = Code(user, scopes, self._world.now() + life, redirect_uri, offline)
        return text

    def use_code(self, text: str) -> Code | None:
        """The code when it is good; it is spent by this."""
        code = self.codes.pop(text, None)
        return code if code is not None and code.expires > self._world.now() else None

    # -- ending ---------------------------------------------------------------------------------------------------

    def revoke(self, refresh_token: str | None = None) -> None:
        """End one refresh token with its access tokens; without an argument all of them."""
        for text in [refresh_token] if refresh_token else list(self.grants):
            grant = self.grants.pop(text, None)
            for access in grant.live if grant else ():
                self.tokens.pop(access, None)

    def expire_tokens(self, user: "User | None" = None) -> int:
        """End access tokens before their time (of one user, or all); refresh tokens stay. How many."""
        gone = [text for text, token in self.tokens.items() if user is None or token.user is user]
        for text in gone:
            del self.tokens[text]
        return len(gone)

    # -- looking --------------------------------------------------------------------------------------------------

    def _dead(self, text: str, now: float) -> bool:
        token = self.tokens.get(text)
        return token is None or token.expires <= now

    def find(self, text: str, dc: str) -> AccessToken | None:
        """The living token of that data centre."""
        token = self.tokens.get(text)
        if token is None or token.dc != dc or token.expires <= self._world.now():
            return None
        return token

    def held(self, token: AccessToken) -> frozenset[str]:
        """The scopes that a token answer names (§3.5)."""
        scopes = EVERY if token.scopes is None else token.scopes
        return scopes if self.granted_scopes is None else scopes & self.granted_scopes

    def allows(self, token: AccessToken, scopes: tuple[str, ...]) -> bool:
        """Whether any of `scopes` is granted, by itself or inside `….ALL` (§3.5)."""
        return any(
            all(held is None or _covered(scope, held) for held in (token.scopes, self.granted_scopes))
            for scope in scopes
        )


def _covered(scope: str, held: "set[str] | frozenset[str]") -> bool:
    """`ZohoCRM.modules.contacts.READ` is covered by itself, `ZohoCRM.modules.contacts.ALL`, `ZohoCRM.modules.ALL`."""
    if scope in held:
        return True
    parts = scope.split(".")
    return any(".".join([*parts[:length], "ALL"]) in held for length in range(2, len(parts)))
