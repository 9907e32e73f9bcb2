"""The organisation's users: Directory API (wire reference §8), or the one user of a refresh token.

Public: users, myself, probe_directory.
"""

from collections.abc import AsyncIterator
from typing import Any

from syncd.sdk import Account, AccountGone, Context, Forbidden, ProtocolError, SyncdError

from .api import Api
from .errors import NOT_ADMIN, Fault
from .settings import DIRECTORY
from .wire import LONGEST_LIST, Chain, decode, next_token

__all__ = ["myself", "probe_directory", "users"]

WHAT = "directory users"
PAGE_SIZE = 500  # §8: the most
FIELDS = (
    "id,primaryEmail,name/fullName,isAdmin,isDelegatedAdmin,suspended,archived,deletionTime,isMailboxSetup,customerId"
)
NO_ADDRESS = "unavailable: no address"
NO_MAILBOX = {"mail": "unavailable: no mailbox"}


async def users(ctx: Context) -> AsyncIterator[Account]:
    """All users, suspended and archived ones included; complete or an error (§8: no delta, no sync token)."""
    api, chain = Api(ctx, "admin", None), Chain(WHAT, LONGEST_LIST)
    token: str | None = None
    while True:
        page = await _page(ctx, api, PAGE_SIZE, token)
        for user in _list(page):
            yield account(user)
        following = next_token(page, WHAT)
        if following is None:
            return
        token = chain.follow(following)


async def probe_directory(ctx: Context) -> None:
    """The cheapest request that the import needs. Raises what is missing."""
    await _page(ctx, Api(ctx, "admin", None), 1, None)


async def _page(ctx: Context, api: Api, size: int, token: str | None) -> dict[str, Any]:
    response = await api.get(
        "/admin/directory/v1/users",
        WHAT,
        {
            "customer": str(ctx.settings.get("customer") or "my_customer"),  # §13.28: this or `domain` is mandatory
            "maxResults": size,
            "pageToken": token,
            "fields": f"nextPageToken,users({FIELDS})",
        },
        _refused,
    )
    return decode(response.content, WHAT)


def _refused(fault: Fault) -> SyncdError | None:
    """§8: who is no administrator gets 403 `forbidden`; an unknown customer or domain 400 or 404."""
    if fault.http == 404 or (fault.http == 400 and fault.is_("badRequest", "invalid", "INVALID_ARGUMENT")):
        return Forbidden(f"{WHAT}: {fault}", code=NOT_ADMIN, hint="Look at `customer` in the connection's settings.")
    if fault.http == 403 and fault.is_("forbidden", "PERMISSION_DENIED"):
        return Forbidden(f"{WHAT}: {fault}", code=NOT_ADMIN)
    return None


def _list(page: dict[str, Any]) -> list[Any]:
    found = page.get("users", [])  # left out when empty (§1.3)
    if not isinstance(found, list):
        raise ProtocolError(f"{WHAT}: users is not a list")
    return found


def account(user: Any) -> Account:
    """One user. ProtocolError without an id: an import that leaves somebody out would be incomplete.

    Who has an id and no address is listed, so as not to count as gone, and cannot be synced until the address is there.
    """
    if not isinstance(user, dict):
        raise ProtocolError(f"{WHAT}: a user is not an object")
    name = user.get("name")
    customer = user.get("customerId")
    identity = _string(user.get("id"))
    address = user.get("primaryEmail")
    known = isinstance(address, str) and address != ""
    return Account(
        id=identity,
        address=str(address) if known else identity,
        name=str(name.get("fullName") or "") if isinstance(name, dict) else "",
        role="admin"
        if user.get("isAdmin") is True
        else "delegated_admin"
        if user.get("isDelegatedAdmin") is True
        else "user",
        state=_state(user) if known else NO_ADDRESS,
        streams=NO_MAILBOX if user.get("isMailboxSetup") is False else {},
        organization=customer if isinstance(customer, str) else None,
    )


def _state(user: dict[str, Any]) -> str:
    if user.get("deletionTime"):
        return "deleted"
    return "archived" if user.get("archived") is True else "suspended" if user.get("suspended") is True else "active"


def _string(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ProtocolError(f"{WHAT}: a user or token is not a string")
    return value


async def myself(ctx: Context) -> Account:
    """The one user whose refresh token it is.

    The immutable id comes from the first of these that the token's scopes allow: Directory, the profile of People
    (the same number), Drive's permission id. The address comes from Gmail, Drive or the primary calendar.
    """
    drive = await _try(ctx, "drive", "/drive/v3/about", {"fields": "user(permissionId,emailAddress,displayName)"})
    profile = await _try(ctx, "gmail", "/gmail/v1/users/me/profile", {})
    found = drive.get("user")
    user: dict[str, Any] = found if isinstance(found, dict) else {}
    address = profile.get("emailAddress") or user.get("emailAddress") or await _calendar_address(ctx)
    known = await _try(ctx, "admin", f"/admin/directory/v1/users/{address}", {"fields": FIELDS}) if address else {}
    if known.get("id"):
        return account({"primaryEmail": address, **known})
    person = await _try(ctx, "people", "/v1/people/me", {"personFields": "metadata,names"})
    identity = _profile_id(person) or user.get("permissionId")
    if not identity or not address:
        raise Forbidden(
            "the refresh token's scopes do not tell whose it is: it needs those of contacts and mail, or of files"
        )
    return Account(id=str(identity), address=str(address), name=str(user.get("displayName") or ""))


async def _try(ctx: Context, api: str, path: str, params: dict[str, str | int | None]) -> dict[str, Any]:
    """The answer, or {} where the token may not ask."""
    try:
        response = await Api(ctx, api, DIRECTORY).get(path, api, params)
    except (Forbidden, AccountGone, ProtocolError):
        return {}
    return decode(response.content, api)


async def _calendar_address(ctx: Context) -> str:
    """`primary` is an alias of the calendar whose id is the user's address (§5.1)."""
    primary = await _try(ctx, "calendar", "/calendar/v3/users/me/calendarList/primary", {})
    return str(primary.get("id") or "")


def _profile_id(person: dict[str, Any]) -> str:
    metadata = person.get("metadata")
    sources = metadata.get("sources") if isinstance(metadata, dict) else None
    found = [one for one in sources or [] if isinstance(one, dict) and one.get("type") == "PROFILE"]
    return str(found[0].get("id") or "") if found else ""
