"""`translateExchangeIds`: from one id format to the other (microsoft.md §1).

Public: API, READ, WRITE, ROUTES. Calendars take part through `user.calendars.translate(id, immutable) -> str | None`.
"""

from typing import TYPE_CHECKING, Any

from syncd_simulator.microsoft.wire import JSON, ApiError, Call

if TYPE_CHECKING:
    from syncd_simulator.microsoft.world import MicrosoftWorld, User

__all__ = ["API", "READ", "ROUTES", "WRITE"]

API = "mail"
READ = WRITE = {
    f"{what}.{how}" for what in ("Mail", "Contacts", "Calendars") for how in ("Read", "ReadWrite")
} | {"Mail.ReadBasic.All"}  # fmt: skip
FORMS = {"restId": False, "restImmutableEntryId": True}
MOST = 1000


def translate(world: "MicrosoftWorld", call: Call) -> JSON:
    """Ids that nobody knows come back with an error of their own."""
    body = call.json()
    ids = body.get("inputIds")
    if not isinstance(ids, list) or len(ids) > MOST:
        raise ApiError(400, "ErrorInvalidArgument", f"inputIds must be a list of at most {MOST} ids.")
    if body.get("sourceIdType") not in FORMS or body.get("targetIdType") not in FORMS:
        raise ApiError(400, "RequestBodyRead", "Cannot convert the value to type 'microsoft.graph.exchangeIdFormat'.")
    immutable = FORMS[body["targetIdType"]]
    context = f"{call.root}/v1.0/$metadata#Collection(microsoft.graph.convertIdResult)"
    return {"@odata.context": context, "value": [_result(call.user, str(key), immutable) for key in ids]}


def _result(user: "User", key: str, immutable: bool) -> JSON:
    item = user.mailbox.mail(key) or user.mailbox.contact(key)
    found = (item.key if immutable else item.plain) if item is not None else None
    if found is None and hasattr(user.calendars, "translate"):
        found = user.calendars.translate(key, immutable)
    if found is None:
        details = {"code": "ErrorInvalidIdMalformed", "message": "Id is malformed."}
        return {"sourceId": key, "errorDetails": details}
    return {"sourceId": key, "targetId": found}


ROUTES: list[Any] = [("POST", "/users/{u}/translateExchangeIds", translate)]
