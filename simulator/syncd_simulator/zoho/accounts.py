"""The accounts host: tokens, codes, revocation, identity (zoho.md §3.1 to §3.4).

Public: ROUTES.
"""

from urllib.parse import urlencode

from syncd_simulator.zoho.datacentres import CENTRES, locate
from syncd_simulator.zoho.faults import token_throttle
from syncd_simulator.zoho.tokens import LIFE, AccessToken, Grant
from syncd_simulator.zoho.wire import JSON, ApiError, Call, Reply, Route
from syncd_simulator.zoho.world import ZohoWorld

__all__ = ["ROUTES"]

WINDOW = 600.0  # §3.4: every counter of this host runs over ten minutes
PER_WINDOW = 10
ERROR_PAGE = b"<!DOCTYPE html><html><head><title>Error</title></head><body>Invalid client or redirect</body></html>"


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
    if not code.offline:
        return Reply(200, _answer(world, call, world.credentials.mint(Grant("", code.user, code.scopes))))
    throttled = _throttled(world, "refresh tokens", code.user.id)
    if throttled is not None:
        return throttled
    grant = world.credentials.grant(code.user, code.scopes)
    body = _answer(world, call, world.credentials.mint(grant))
    return Reply(200, _with_refresh(body, grant))


def _with_refresh(body: JSON, grant: Grant) -> JSON:
    first = {"access_token": body["access_token"], "refresh_token": grant.refresh_token}
    return first | body


def _answer(world: ZohoWorld, call: Call, minted: AccessToken) -> JSON:
    """§3.2. `api_domain` is the gateway of this data centre."""
    body: JSON = {
        "access_token": minted.text,
        "scope": " ".join(sorted(world.credentials.held(minted))),
        "api_domain": world.credentials.api_domain or gateway(world, call),
        "token_type": "Bearer",
        "expires_in": LIFE,
    }
    if world.credentials.expires_in_sec:
        body |= {"expires_in_sec": LIFE, "expires_in": LIFE * 1000}
    return body


def gateway(world: ZohoWorld, call: Call) -> str:
    """The gateway's root as this client reaches it: on a real host name the real one."""
    if locate(call.headers.get("host", "")) is not None:
        return f"https://{CENTRES[world.dc].host('crm')}"
    return world.endpoints(call.base_url)["crm"]


def _param_list(call: Call, name: str) -> frozenset[str] | None:
    text = call.param(name)
    return frozenset(scope.strip() for scope in text.split(",") if scope.strip()) if text else None


def authorise(world: ZohoWorld, call: Call) -> Reply:
    """`GET /oauth/v2/auth`: the owner consents at once. The redirect tells the data centre (§2.2).

    A refresh token comes of `access_type=offline`, at the first consent only or with `prompt=consent` (§3.1).
    """
    redirect, client = call.get("redirect_uri"), call.get("client_id")
    known = world.credentials
    if client != known.client_id or redirect is None or call.get("response_type") != "code":
        return Reply(400, ERROR_PAGE, {"Content-Type": "text/html;charset=UTF-8"})
    if known.redirect_uris is not None and redirect not in known.redirect_uris:
        return Reply(400, ERROR_PAGE, {"Content-Type": "text/html;charset=UTF-8"})
    if world.limits.take("grant codes", client, PER_WINDOW, WINDOW):
        return token_throttle(known.throttle_status, known.localised)
    first = world.owner_id not in known.consented or call.get("prompt") == "consent"
    known.consented.add(world.owner_id)
    offline = call.get("access_type") == "offline" and first
    answer = {
        "code": known.code(world.owner, _param_list(call, "scope"), redirect_uri=redirect, offline=offline),
        "location": world.dc,
        "accounts-server": _server(world, call, world.dc),
    } | ({"state": state} if (state := call.get("state")) else {})
    mark = "&" if "?" in redirect else "?"
    return Reply(302, None, {"Location": f"{redirect}{mark}{urlencode(answer)}"})


def _server(world: ZohoWorld, call: Call, dc: str) -> str:
    """The accounts server of a data centre, as this client reaches it."""
    if locate(call.headers.get("host", "")) is not None:
        return f"https://{CENTRES[dc].host('accounts')}"
    return world.endpoints(call.base_url, None if dc == world.dc else dc)["accounts"]


def revoke(world: ZohoWorld, call: Call) -> Reply:
    """`POST /oauth/v2/token/revoke?token=`: the refresh token and its access tokens end."""
    text = call.param("token")
    if text is None or text not in world.credentials.grants or call.dc != world.dc:
        raise _refused("invalid_code")
    world.credentials.revoke(text)
    return Reply(200, {"status": "success"})


def serverinfo(world: ZohoWorld, call: Call) -> JSON:
    """`GET /oauth/serverinfo`: location → accounts server."""
    return {"result": "success", "locations": {dc: _server(world, call, dc) for dc in CENTRES}}


def info(world: ZohoWorld, call: Call) -> JSON:
    """`GET /oauth/user/info`: the ZUID as a JSON number (§3.1)."""
    user = call.user
    return {
        "First_Name": user.given, "Email": user.address, "Last_Name": user.family, "Display_Name": user.name,
        "ZUID": int(user.zuid),
    }  # fmt: skip


ROUTES = [
    Route("GET", "/oauth/v2/auth", authorise, "accounts"),
    Route("POST", "/oauth/v2/token", token, "accounts"),
    Route("POST", "/oauth/v2/token/revoke", revoke, "accounts"),
    Route("GET", "/oauth/serverinfo", serverinfo, "accounts"),
    Route("GET", "/oauth/user/info", info, "accounts", ("AaaServer.profile.READ",)),
]
