"""The accounts host: tokens, codes, revocation, identity (zoho.md §3.1 to §3.4).

Public: ROUTES.
"""

from syncd_simulator.zoho.datacentres import CENTRES
from syncd_simulator.zoho.faults import token_throttle
from syncd_simulator.zoho.tokens import LIFE, AccessToken, Grant
from syncd_simulator.zoho.wire import JSON, ApiError, Call, Reply, Route
from syncd_simulator.zoho.world import ZohoWorld

__all__ = ["ROUTES"]

WINDOW = 600.0  # §3.4: every counter of this host runs over ten minutes
PER_WINDOW = 10


def token(world: ZohoWorld, call: Call) -> Reply:
    """`POST /oauth/v2/token`: parameters in the query, in a form, or in both. Refusals are HTTP 200 (§3.3)."""
    grant_type = call.param("grant_type")
    _check_client(world, call)
    if grant_type == "refresh_token":
        return _refresh(world, call)
    if grant_type == "authorization_code":
        return _exchange(world, call)
    raise _refused("general_error")


def _refused(code: str) -> ApiError:
    return ApiError(200, code)


def _check_client(world: ZohoWorld, call: Call) -> None:
    known = world.credentials
    client, secret = call.param("client_id"), call.param("client_secret")
    if not client or not secret:
        raise _refused("general_error")
    if client != known.client_id or (call.dc != world.dc and not known.multi_dc):
        raise _refused("invalid_client")
    if secret != known.client_secret:
        raise _refused("invalid_client_secret")


def _throttled(world: ZohoWorld, name: str, key: str) -> Reply | None:
    if not world.limits.take(name, key, PER_WINDOW, WINDOW):
        return None
    return token_throttle(world.credentials.throttle_status, world.credentials.localised)


def _refresh(world: ZohoWorld, call: Call) -> Reply:
    text = call.param("refresh_token")
    if not text:
        raise _refused("general_error")
    grant = world.credentials.grants.get(text) if call.dc == world.dc else None
    if grant is None:
        raise _refused("invalid_code")
    throttled = _throttled(world, "access tokens", text)
    return throttled or Reply(200, _answer(world, call, world.credentials.mint(grant)))


def _exchange(world: ZohoWorld, call: Call) -> Reply:
    text = call.param("code")
    if not text:
        raise _refused("general_error")
    code = world.credentials.use_code(text) if call.dc == world.dc else None
    if code is None:
        raise _refused("invalid_code")
    if code.redirect_uri is not None and code.redirect_uri != call.param("redirect_uri"):
        raise _refused("invalid_redirect_uri")
    throttled = _throttled(world, "refresh tokens", code.user.id)
    if throttled is not None:
        return throttled
    grant = world.credentials.grant(code.user, code.scopes)
    body = _answer(world, call, world.credentials.mint(grant))
    return Reply(200, _with_refresh(body, grant))


def _with_refresh(body: JSON, grant: Grant) -> JSON:
    scopes = ",".join(sorted(grant.scopes)) if grant.scopes is not None else "ZohoMail.accounts.READ"
    first = {"access_token": body["access_token"], "refresh_token": grant.refresh_token, "scope": scopes}
    return first | body


def _answer(world: ZohoWorld, call: Call, minted: AccessToken) -> JSON:
    """§3.2. `api_domain` is the gateway of this data centre."""
    body: JSON = {
        "access_token": minted.text,
        "api_domain": world.credentials.api_domain or gateway(world, call),
        "token_type": "Bearer",
        "expires_in": LIFE,
    }
    if world.credentials.expires_in_sec:
        body |= {"expires_in_sec": LIFE, "expires_in": LIFE * 1000}
    return body


def gateway(world: ZohoWorld, call: Call) -> str:
    """The gateway's root as this client reaches it: on a real host name the real one."""
    if call.headers.get("host", "") == CENTRES[world.dc].host("accounts"):
        return f"https://{CENTRES[world.dc].host('crm')}"
    return world.endpoints(call.base_url)["crm"]


ROUTES = [
    Route("POST", "/oauth/v2/token", token, "accounts"),
]
