"""Zoho Mail's envelope, accounts and organisation users (zoho.md §4.1, §4.2).

Public: ROUTES, refusal, success.
"""

from typing import Any

from syncd_simulator.zoho import errors
from syncd_simulator.zoho.mailbox import boxes
from syncd_simulator.zoho.wire import JSON, ApiError, Call, Reply, Route
from syncd_simulator.zoho.world import User, ZohoWorld

__all__ = ["ROUTES", "refusal", "success"]

EXACT = ("accountId", "zuid", "folderId")  # old samples show these as numbers, everything else as strings


def success(world: ZohoWorld, data: Any) -> Reply:
    """HTTP 200 around `data`; with `world.mail_old_shapes` in the types of the old samples."""
    if world.mail_old_shapes:
        return Reply(200, {"status": {"code": "200", "description": "success"}, "data": _old(data)})
    return Reply(200, {"status": {"code": 200, "description": "success"}, "data": data})


def _old(value: Any, name: str = "") -> Any:
    if isinstance(value, list):
        return [_old(item) for item in value]
    if isinstance(value, dict):
        return {key: _old(item, key) for key, item in value.items()}
    if isinstance(value, bool):
        return "true" if value else "false"
    if name in EXACT and isinstance(value, str):
        return int(value)
    return value


def refusal(error: ApiError) -> Reply:
    """An error in the envelope of Mail."""
    return errors.render("mail", error)


def account_row(world: ZohoWorld, user: User) -> JSON:
    """One native mailbox."""
    addresses = [user.address, *user.aliases]
    return {
        "accountId": user.account_id,
        "zuid": user.zuid,
        "primaryEmailAddress": user.address,
        "mailboxAddress": user.address,
        "emailAddress": [
            {"mailId": address, "isPrimary": address == user.address, "isAlias": address != user.address,
             "isConfirmed": True}
            for address in addresses
        ],
        "accountName": user.address.partition("@")[0],
        "displayName": user.name,
        "firstName": user.given,
        "lastName": user.family,
        "type": "ZOHO_ACCOUNT",
        "incomingUserName": user.address,
        "timeZone": user.zone,
        "language": "en",
        "country": "es",
        "role": "super_admin" if user is world.owner else "admin" if user.is_admin else "member",
        "enabled": not user.suspended,
        "accountEnabled": not user.suspended,
        "mailboxStatus": "disabled" if user.suspended else "enabled",
        "sendMailDetails": [
            {"sendMailId": str(int(user.account_id) + 2), "displayName": user.name, "fromAddress": user.address,
             "mode": "mailbox", "status": True, "validated": True}
        ],
        "sequence": 1,
        "usedStorage": sum(len(mail.raw) for mail in boxes(world).of(user).mails.values()) // 1024,
        "allowedStorage": 5242880,
        "planStorage": 5242880,
        "lastLogin": int(world.base * 1000),
        "accountCreationTime": int(user.created * 1000),
        "policyId": {"zoid": world.zoid, "1082700000031002": "Basic"},
    }  # fmt: skip


def _external_row(world: ZohoWorld, user: User, account: str) -> JSON:
    address = f"{user.given}.{account[-4:]}@elsewhere.example".lower()
    native = account_row(world, user)
    changed = {
        "accountId": account, "primaryEmailAddress": address, "mailboxAddress": address, "type": "IMAP_ACCOUNT",
        "incomingUserName": address, "emailAddress": [{"mailId": address, "isPrimary": True, "isAlias": False}],
        "accountName": "elsewhere", "sequence": 2,
    }  # fmt: skip
    return native | changed


def accounts(world: ZohoWorld, call: Call) -> Reply:
    """`GET /accounts`: the caller's own, external ones too."""
    rows = [account_row(world, call.user)]
    rows += [_external_row(world, call.user, account) for account in boxes(world).external.get(call.user.id, ())]
    return success(world, rows)


def account(world: ZohoWorld, call: Call) -> Reply:
    """`GET /accounts/{account}`."""
    if not call.args["account"].isdecimal():
        raise ApiError(404, "URL_RULE_NOT_CONFIGURED")
    if call.args["account"] != call.user.account_id:
        raise ApiError(404, "INVALID_ACCOUNT", f"Account id {call.args['account']} is invalid")
    return success(world, account_row(world, call.user))


# -- organisation -----------------------------------------------------------------------------------------------------


def organization(world: ZohoWorld, call: Call) -> Reply:
    """`GET /organization` and `GET /organization/{zoid}`."""
    _own(world, call)
    data = {
        "zoid": world.zoid, "companyName": world.domain.partition(".")[0].capitalize(),
        "primaryDomain": world.domain, "usersCount": len(world.users), "orgCreationTime": int(world.base * 1000),
    }  # fmt: skip
    return success(world, data)


def _own(world: ZohoWorld, call: Call) -> None:
    zoid = call.args.get("zoid", world.zoid)
    if not zoid.isdecimal():
        raise ApiError(404, "URL_RULE_NOT_CONFIGURED")
    if zoid != world.zoid:
        raise ApiError(404, "INVALID_ORGANIZATION", f"Organization id {zoid} is invalid")


def _admin(world: ZohoWorld, call: Call) -> None:
    _own(world, call)
    if not call.user.is_admin:
        raise ApiError(403, "ACCESS_DENIED", "Only administrators may do this")


def _user_row(world: ZohoWorld, user: User) -> JSON:
    more = {"isCustomAdmin": False, "mxStatus": "verified", "incomingBlocked": False, "outgoingBlocked": False}
    return account_row(world, user) | more


def organization_accounts(world: ZohoWorld, call: Call) -> Reply:
    """`GET /organization/{zoid}/accounts?start&limit`: one user comes as an object, several as a list (§4.2).

    `world.org_start` is the number of the first row: 0 as the table says, or 1 as the sample does.
    """
    _admin(world, call)
    start, limit = (_number(call, name, default) for name, default in (("start", 0), ("limit", 10)))
    first = max(0, start - world.org_start)
    rows = [_user_row(world, user) for user in list(world.users.values())[first : first + min(limit, 200)]]
    return success(world, rows[0] if len(rows) == 1 and world.org_single_object else rows)


def _number(call: Call, name: str, default: int) -> int:
    text = call.get(name) or str(default)
    if not text.isdecimal():
        raise ApiError(400, "PATTERN_NOT_MATCHED", f"{name} is not a number")
    return int(text)


def organization_account(world: ZohoWorld, call: Call) -> Reply:
    """`GET /organization/{zoid}/accounts/{zuid | address}`."""
    _admin(world, call)
    try:
        return success(world, _user_row(world, world.user(call.args["key"])))
    except KeyError:
        raise ApiError(404, "INVALID_ACCOUNT", f"User {call.args['key']} is invalid") from None


USERS = "ZohoMail.organization.accounts.READ"
ROUTES = [
    Route("GET", "/api/accounts", accounts, "mail", ("ZohoMail.accounts.READ",)),
    Route("GET", "/api/accounts/{account}", account, "mail", ("ZohoMail.accounts.READ",)),
    Route("GET", "/api/organization", organization, "mail", (USERS,)),
    Route("GET", "/api/organization/{zoid}", organization, "mail", (USERS,)),
    Route("GET", "/api/organization/{zoid}/accounts", organization_accounts, "mail", (USERS,)),
    Route("GET", "/api/organization/{zoid}/accounts/{key}", organization_account, "mail", (USERS,)),
]
