"""Who there is: the credential's owner, and the organisation's users if the owner may list them (§4.2, §8.6).

Public: accounts, owner, Owner, mailbox_of.

Users come from Mail's organisation API (keyed by `zuid`) and from the CRM, joined by `zuid` or e-mail address. Only the
owner has contacts, calendars, files and CRM: those APIs know the token's user alone.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from syncd.sdk import Account, AccountGone, Context, Forbidden, ProtocolError, SyncdError

from .api import NOT_OWNER, Api, Params
from .errors import NOT_ADMIN, TOKEN_CODES, Fault
from .wire import crm_rows, decode, drive_data, ident, mail_data, mail_rows, text, wrapped

__all__ = ["Owner", "accounts", "mailbox_of", "owner", "probe_users"]

USERS_SIZE = 100  # the most is not documented; fewer may come (§4.2)
CRM_SIZE = 200  # §8.6: the most
LONGEST = 2_000  # pages of a list of users
PROBES = 3  # other mailboxes that are tried, to see whether the token reads them
OWNERS_ONLY = ("contacts", "calendar", "files", "crm_contacts", "crm_leads", "crm_events")
NOT_READABLE = "unavailable: not readable with this token"
NO_MAILBOX = "unavailable: no mailbox"
NATIVE = "ZOHO_ACCOUNT"  # others are external POP and IMAP boxes (§4.2)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose refresh token it is. `mailboxes`: `accountId` of the native ones; `organization`: the `zoid` if it is told."""

    zuid: str
    address: str
    name: str = ""
    mailboxes: tuple[str, ...] = ()
    organization: str | None = None
    row: Mapping[str, Any] = field(default_factory=dict)


async def accounts(ctx: Context) -> AsyncIterator[Account]:
    """The owner, and all others where the owner may list them: complete or an error."""
    me = await owner(ctx)
    zoid = await organization(ctx, me)
    rows = await _mail_users(ctx, zoid) if zoid else {}
    colleagues = _Joined(rows or {me.zuid: dict(me.row)}, await _crm_users(ctx))
    readable = await _reads_others(ctx, me, rows)
    for zuid, row, user in colleagues.each(me):
        yield _account(zuid, row, user, me, zoid, readable)


async def owner(ctx: Context) -> Owner:
    """Whose token it is, from the first service that its scopes allow to ask."""
    for ask in (_from_mail, _from_crm, _from_profile, _from_drive):
        try:
            found = await ask(ctx)
        except (Forbidden, AccountGone):
            continue
        if found is not None:
            return found
    raise Forbidden(
        "the refresh token's scopes do not tell whose it is",
        code=NOT_ADMIN,
        hint="Add ZohoMail.accounts.READ, ZohoCRM.users.READ or AaaServer.profile.READ to the token's scopes.",
    )


async def mailbox_of(ctx: Context, account: Account) -> str:
    """The `accountId` of an account's native mailbox. AccountGone if there is none, Forbidden if it may not be asked."""
    me = await _from_mail(ctx)
    if me is not None and me.zuid == account.id:
        if not me.mailboxes:
            raise AccountGone(f"{account.address} has no mailbox of Zoho", state=NO_MAILBOX)
        return me.mailboxes[0]
    zoid = account.organization or (await organization(ctx, me) if me else None)
    if not zoid:
        raise Forbidden(f"the token does not read the mailbox of {account.address}", code=NOT_ADMIN)
    path = f"/api/organization/{zoid}/accounts/{account.id}"
    response = await Api(ctx, "mail", "import").get(path, "organisation user", None, _not_admin)
    row = next((one for one in wrapped(mail_data(response, "organisation user")) if isinstance(one, dict)), {})
    mailbox = ident(row.get("accountId"))
    if mailbox is None:
        raise AccountGone(f"{account.address} has no mailbox of Zoho", state=NO_MAILBOX)
    return mailbox


async def organization(ctx: Context, me: Owner) -> str | None:
    """The organisation's `zoid`: configured, told with the owner's account, or asked for; None if it is not told."""
    configured = ctx.settings.get("organization")
    if configured or me.organization:
        return str(configured or me.organization)
    try:
        response = await Api(ctx, "mail", "import").get("/api/organization", "organisation", None, _not_admin)
        data = mail_data(response, "organisation")
    except Forbidden:
        return None
    return next((ident(one.get("zoid")) for one in wrapped(data) if isinstance(one, dict)), None)


async def probe_users(ctx: Context, me: Owner) -> None:
    """The cheapest request that listing users needs. Raises what is missing."""
    zoid = await organization(ctx, me)
    try:
        if zoid is None:
            raise Forbidden("the organisation of Zoho Mail may not be read", code=NOT_ADMIN)
        await _users_page(ctx, zoid, 0, 1)
    except Forbidden:
        await _crm_page(ctx, "AllUsers", 1, 1)


async def _from_mail(ctx: Context) -> Owner | None:
    response = await Api(ctx, "mail", "import").get("/api/accounts", "mail accounts", None, _no_access)
    rows = mail_rows(response, "mail accounts")
    native = [row for row in rows if row.get("type", NATIVE) == NATIVE]
    best = next((row for row in native if ident(row.get("zuid"))), next(iter(rows), None))
    zuid = ident(best.get("zuid")) if best else None
    if best is None or zuid is None:
        return None
    policy = best.get("policyId")
    return Owner(
        zuid,
        _address(best),
        _name(best),
        tuple(one for row in native if (one := ident(row.get("accountId"))) is not None),
        ident(policy.get("zoid")) if isinstance(policy, dict) else None,
        best,
    )


async def _from_crm(ctx: Context) -> Owner | None:
    users, _ = await _crm_page(ctx, "CurrentUser", 1, CRM_SIZE)
    user = next(iter(users), {})
    zuid, address = ident(user.get("zuid")), text(user.get("email"))
    return Owner(zuid, address, text(user.get("full_name"))) if zuid and address else None


async def _from_profile(ctx: Context) -> Owner | None:
    response = await Api(ctx, "accounts", "import").get("/oauth/user/info", "profile", None, _no_access)
    body = decode(response, "profile")
    if not isinstance(body, dict):
        return None
    zuid, address = ident(body.get("ZUID")), text(body.get("Email"))
    return Owner(zuid, address, text(body.get("Display_Name"))) if zuid and address else None


async def _from_drive(ctx: Context) -> Owner | None:
    response = await Api(ctx, "workdrive", "files").get(
        "/workdrive/api/v1/users/me", "WorkDrive user", None, _no_access
    )
    data = drive_data(response, "WorkDrive user")
    attributes = data.get("attributes") if isinstance(data, dict) else None
    if not isinstance(attributes, dict):
        return None
    zuid, address = ident(attributes.get("zuid")), text(attributes.get("email_id"))
    return Owner(zuid, address, text(attributes.get("display_name"))) if zuid and address else None


def _no_access(fault: Fault) -> SyncdError | None:
    """A 401 that speaks of nothing in particular is this service's, not the credential's."""
    if fault.http in (400, 401, 404) and fault.code not in TOKEN_CODES:
        return Forbidden(f"Zoho answered {fault}")
    return None


async def _mail_users(ctx: Context, zoid: str) -> dict[str, dict[str, Any]]:
    """The organisation's users by `zuid`; {} where the owner is no administrator.

    Whether `start` counts from 0 or from 1 is not settled (§4.2): it advances by the rows received, repeats are dropped.
    """
    found: dict[str, dict[str, Any]] = {}
    start = 0
    for _ in range(LONGEST):
        try:
            rows = await _users_page(ctx, zoid, start, USERS_SIZE)
        except Forbidden:
            if found or ctx.settings.get("organization"):
                raise
            return {}
        before = len(found)
        for row in rows:
            zuid = ident(row.get("zuid"))
            if zuid is None:
                raise ProtocolError("organisation users: a user has no zuid")
            found.setdefault(zuid, row)
        if len(found) == before:
            return found
        start += len(rows)
    raise ProtocolError(f"organisation users: more than {LONGEST} pages; they would never end")


async def _users_page(ctx: Context, zoid: str, start: int, limit: int) -> list[dict[str, Any]]:
    path, what = f"/api/organization/{zoid}/accounts", "organisation users"
    params: Params = {"start": start, "limit": limit}
    response = await Api(ctx, "mail", "import").get(path, what, params, _not_admin)
    return mail_rows(response, what)


def _not_admin(fault: Fault) -> SyncdError | None:
    """§4.2: who is no administrator gets 401 or 403; an organisation that is not there, 400 or 404."""
    if fault.http in (400, 401, 403, 404) and fault.code not in TOKEN_CODES:
        return Forbidden(f"the users of the organisation may not be listed: {fault}", code=NOT_ADMIN)
    return None


async def _crm_users(ctx: Context) -> list[dict[str, Any]]:
    """All users of the CRM; none where the token has no CRM."""
    found: list[dict[str, Any]] = []
    for page in range(1, LONGEST):
        try:
            users, more = await _crm_page(ctx, "AllUsers", page, CRM_SIZE)
        except Forbidden:
            if found:
                raise
            return []
        found += users
        if not more or not users:
            return found
    raise ProtocolError(f"CRM users: more than {LONGEST} pages; they would never end")


async def _crm_page(ctx: Context, kind: str, page: int, size: int) -> tuple[list[dict[str, Any]], bool]:
    params: Params = {"type": kind, "page": page, "per_page": size}
    response = await Api(ctx, "crm", "import").get("/crm/v8/users", "CRM users", params, _no_crm)
    rows, info = crm_rows(response, "CRM users", "users")
    return rows, info.get("more_records") is True


def _no_crm(fault: Fault) -> SyncdError | None:
    """No scope, no permission or no CRM at all: users are then Mail's alone."""
    if fault.code in TOKEN_CODES or fault.http not in (400, 401, 403, 404):
        return None
    return Forbidden(f"the users of the CRM may not be listed: {fault}", code=NOT_ADMIN)


async def _reads_others(ctx: Context, me: Owner, rows: Mapping[str, dict[str, Any]]) -> bool:
    """Whether the token reads mailboxes of others: asked of a few, since every call counts (§4.7)."""
    others = [row for zuid, row in rows.items() if zuid != me.zuid and ident(row.get("accountId")) and _enabled(row)]
    for row in others[:PROBES]:
        path = f"/api/accounts/{ident(row['accountId'])}/folders"
        try:
            mail_rows(await Api(ctx, "mail", "mail").get(path, "folders", None, _no_access), "folders")
        except (Forbidden, AccountGone):
            continue
        return True
    return False


class _Joined:
    """Users of Mail and of the CRM as one list: joined by `zuid`, else by e-mail address."""

    def __init__(self, rows: Mapping[str, dict[str, Any]], users: list[dict[str, Any]]) -> None:
        self._rows = rows
        by_address = {_address(row).lower(): zuid for zuid, row in rows.items() if _address(row)}
        self._users: dict[str, dict[str, Any]] = {}
        for user in users:
            key = ident(user.get("zuid")) or by_address.get(text(user.get("email")).lower()) or ident(user.get("id"))
            if key is None:
                raise ProtocolError("CRM users: a user has no id")
            self._users.setdefault(key, user)

    def each(self, me: Owner) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
        """`zuid`, Mail's row and the CRM's user ({} where there is none); the owner first."""
        keys = dict.fromkeys((me.zuid, *self._rows, *self._users))
        return [(key, self._rows.get(key, {}), self._users.get(key, {})) for key in keys]


def _account(
    zuid: str, row: dict[str, Any], user: dict[str, Any], me: Owner, zoid: str | None, readable: bool
) -> Account:
    mine = zuid == me.zuid
    address = _address(row) or text(user.get("email")) or (me.address if mine else "")
    if not address:
        raise ProtocolError(f"users: {zuid} has no e-mail address")
    return Account(
        id=zuid,
        address=address,
        name=_name(row) or text(user.get("full_name")) or (me.name if mine else ""),
        role=_role(row, user),
        state="active" if mine else _state(row, user),
        streams=_streams(row, me, mine, readable),
        organization=zoid,
    )


def _streams(row: dict[str, Any], me: Owner, mine: bool, readable: bool) -> dict[str, str]:
    if mine:
        return {} if me.mailboxes or not me.row else {"mail": NO_MAILBOX}
    found = dict.fromkeys(OWNERS_ONLY, NOT_OWNER)
    if ident(row.get("accountId")) is None:
        found["mail"] = NO_MAILBOX
    elif not readable:
        found["mail"] = NOT_READABLE
    return found


def _role(row: dict[str, Any], user: dict[str, Any]) -> str:
    """Mail's word first. A custom administrator has some of the rights only."""
    profile = user.get("profile")
    words = text(row.get("role")) or (text(profile.get("name")) if isinstance(profile, dict) else "")
    if _true(row.get("isCustomAdmin")):
        return "delegated_admin"
    return "admin" if "admin" in words.lower() else "user"


def _state(row: dict[str, Any], user: dict[str, Any]) -> str:
    if row:
        return "active" if _enabled(row) else "suspended"
    status = text(user.get("status")).lower()
    if status == "deleted":
        return "deleted"
    return "active" if status in ("", "active") else "suspended"


def _enabled(row: dict[str, Any]) -> bool:
    """Old answers have booleans as text (§4.2)."""
    flags = [row[key] for key in ("enabled", "accountEnabled") if key in row]
    return all(_true(flag) for flag in flags) and text(row.get("mailboxStatus")).lower() not in ("disabled", "inactive")


def _true(value: Any) -> bool:
    return value is True or value == 1 or (isinstance(value, str) and value.lower() in ("true", "1"))


def _address(row: Mapping[str, Any]) -> str:
    named = text(row.get("primaryEmailAddress")) or text(row.get("mailboxAddress"))
    if named:
        return named
    listed = row.get("emailAddress")
    if isinstance(listed, str):
        return text(listed)
    entries = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    best = next((one for one in entries if _true(one.get("isPrimary"))), entries[0] if entries else {})
    return text(best.get("mailId"))


def _name(row: Mapping[str, Any]) -> str:
    full = " ".join(part for part in (text(row.get("firstName")), text(row.get("lastName"))) if part)
    return text(row.get("displayName")) or full or text(row.get("accountName"))
