"""`syncd check`: whether the credential works, and which permission is missing.

Public: check.
"""

from collections.abc import Mapping

from syncd.sdk import AccountGone, Context, Forbidden, ProtocolError, SyncdError

from .api import IMMUTABLE, Graph, quoted
from .directory import probe_users
from .errors import CATALOGUE, PERMISSIONS, Fault, no_drive, no_mailbox
from .settings import is_delegated
from .wire import decode, list_of

__all__ = ["check"]

PROBES = {  # stream → the cheapest request that needs its permission
    "contacts": "/contactFolders?$top=1&$select=id",
    "calendar": "/calendars?$top=1&$select=id",
    "files": "/drive?$select=id",
    "mail": "/mailFolders?$top=1&$select=id",
}
CANDIDATES = 10  # users of whom one should have a mailbox or a drive
SEARCH = f"/users?$select=id,mail,userType,accountEnabled&$top={CANDIDATES}"


async def check(ctx: Context) -> Mapping[str, str]:
    """Per stream "ready" or what is missing; `import` is named if it lacks something. Raises AuthFailed."""
    found: dict[str, str] = {}
    users = ["me"]
    if not is_delegated(ctx.settings):
        try:
            await probe_users(ctx)
            users = await _candidates(ctx)
        except (Forbidden, ProtocolError) as error:
            found["import"] = _missing(error)
            return {
                **found,
                **dict.fromkeys(PROBES, f"unknown: no user can be listed; {PERMISSIONS['users']} is needed"),
            }
        found.update(await _roles(ctx))
    for stream in PROBES:
        found[stream] = await _stream(ctx, stream, users)
    return found


async def _candidates(ctx: Context) -> list[str]:
    """A few members with an address: not everybody has a mailbox."""
    listed = list_of(decode((await Graph(ctx, None, needs="users").get(SEARCH, "users")).content, "users"), "users")
    members = [user for user in listed if str(user.get("userType") or "").lower() != "guest"]
    members.sort(key=lambda user: (not user.get("mail"), user.get("accountEnabled") is False))
    return [str(user["id"]) for user in members if user.get("id")]


async def _roles(ctx: Context) -> dict[str, str]:
    try:
        await Graph(ctx, None, needs="roles").get("/directoryRoles", "directory roles")
    except (Forbidden, ProtocolError) as error:
        return {"import": f"without roles: {_missing(error)}"}
    return {}


async def _stream(ctx: Context, stream: str, users: list[str]) -> str:
    """Ask for users until one answers: a missing permission is the same for all, a missing mailbox is not."""
    refused: SyncdError | None = None
    absent = no_drive if stream == "files" else no_mailbox
    graph = Graph(ctx, stream, () if stream == "files" else (IMMUTABLE,))

    def means(fault: Fault) -> SyncdError | None:
        return None if fault.http == 403 and not fault.says("odata", "accesspolicy") else absent(fault, stream)

    for user in users:
        where = ("/me" if user == "me" else f"/users/{quoted(user)}") + PROBES[stream]
        try:
            await graph.get(where, stream, means)
        except AccountGone:
            continue
        except (Forbidden, ProtocolError) as error:
            refused = error
            if isinstance(error, Forbidden):
                continue
            break
        return "ready"
    if refused is None:
        return "ready" if users else "unknown: the organisation has no users"
    return _missing(refused)


def _missing(error: SyncdError) -> str:
    hint = error.hint or next((entry.hint for entry in CATALOGUE if entry.code == error.code), "")
    return f"{error}. {hint}".strip() if hint else str(error)
