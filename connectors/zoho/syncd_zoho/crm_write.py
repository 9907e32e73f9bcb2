"""Writing to the CRM as a mirror does: no side effects, nothing twice, nothing over a newer version (§8.3).

Public: Writer.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from syncd.sdk import JSON, Context, ProtocolError, Record, Reject, Transient, VersionConflict

from .crm_api import MOST_FIELDS, Crm, Row, refuse
from .crm_records import Summary, instant_of, record_of
from .wire import ident, iso, text

__all__ = ["Writer"]

RECENT = timedelta(days=1)  # how old a record may be that an earlier call with the same content made
READ_ONLY = frozenset(
    {
        "id",
        "Full_Name",
        "Created_Time",
        "Modified_Time",
        "Created_By",
        "Modified_By",
        "Last_Activity_Time",
        "Record_Status__s",
    }
)
KEPT = frozenset({"$se_module"})  # §8.5: says which module What_Id is of; all other $-keys are never sent back (§8.1)
ABSENT = frozenset({"INVALID_DATA", "RECORD_NOT_FOUND", "RECORD_DELETED"})


class Writer:
    """Writes to one module.

    The CRM knows no idempotency key (§8.3, §10.39). With the option `unique_field`, a unique text field of the module made
    for it, the key is written there and a create is an upsert on that field: certain, whatever got lost. Without it, a
    create first looks among the module's newest records for one made a day ago at most that has the very values to be
    written, and looks again if the answer to the insert is lost; such a record is taken for the one that was asked for.
    """

    def __init__(self, ctx: Context, crm: Crm, summary: Summary, *, events: bool) -> None:
        self.ctx = ctx
        self.crm = crm
        self.summary = summary
        self.events = events
        named = ctx.options.get("unique_field")
        self.unique = str(named) if named else None

    async def create(self, data: Mapping[str, JSON], idempotency_key: str) -> Record:
        row = self._sendable(data)
        if self.unique:
            row[self.unique] = idempotency_key
            result = await self._post("/upsert", row, {"duplicate_check_fields": [self.unique]})
            return await self._read(self._id_of(result, "create"))
        twin = await self._twin(row)
        if twin is None:
            try:
                twin = self._id_of(await self._post("", row, {}), "create")
            except Transient:  # the answer is lost: the record may be there
                twin = await self._twin(row)
                if twin is None:
                    raise
        return await self._read(twin)

    async def update(self, source_id: str, data: Mapping[str, JSON], etag: str | None) -> Record:
        """§8.3: conditional. The version is compared beforehand too: the condition's header is not documented."""
        row = self._sendable(data)
        before = await self.crm.single(source_id)
        if before is None:
            raise VersionConflict(f"CRM {self.crm.module} {source_id} is not there any more")
        if etag is not None and instant_of(before) != iso(etag):
            if _same(row, before):  # an earlier call with the same content got through
                return self._record(before)
            raise VersionConflict(f"CRM {self.crm.module} {source_id} has changed since {etag}")
        body = {"data": [{**row, "id": source_id}], "trigger": []}
        results = await self.crm.send("PUT", self._path(source_id), self._what("update"), body, since=etag)
        self._judge(results, "update")
        return await self._read(source_id)

    async def delete(self, source_id: str, etag: str | None) -> None:
        """Into the recycle bin. What is not there any more needs no deleting."""
        before = await self.crm.single(source_id)
        if before is None:
            return
        if etag is not None and instant_of(before) != iso(etag):
            raise VersionConflict(f"CRM {self.crm.module} {source_id} has changed since {etag}")
        results = await self.crm.send(
            "DELETE",
            f"/{self.crm.module}",
            self._what("delete"),
            params={"ids": source_id, "wf_trigger": "false"},
            since=etag,
        )
        if not (results and results[0].get("code") in ABSENT and await self.crm.single(source_id) is None):
            self._judge(results, "delete")

    # -- inside

    def _sendable(self, data: Mapping[str, JSON]) -> Row:
        """Without what the CRM keeps by itself, and without anything that would mail people (§10.42)."""
        row = {
            key: value
            for key, value in data.items()
            if key not in READ_ONLY and (not key.startswith("$") or key in KEPT)
        }
        if self.events:
            row["$send_notification"] = False
        return row

    async def _post(self, route: str, row: Row, more: Mapping[str, JSON]) -> Row:
        """The result of one insert or upsert. `trigger: []`: no workflow runs because of a mirror's write (§8.3)."""
        body = {"data": [row], "trigger": [], **more}
        results = await self.crm.send("POST", f"/{self.crm.module}{route}", self._what("create"), body)
        if len(results) != 1:
            raise ProtocolError(f"{self._what('create')}: {len(results)} results for one record")
        return results[0]

    def _id_of(self, result: Row, action: str) -> str:
        """The new id, or that of the record that has a unique value already: to be linked, not tried again (§8.3)."""
        details = result.get("details")
        details = details if isinstance(details, dict) else {}
        if result.get("code") == "DUPLICATE_DATA":
            other = details.get("duplicate_record")
            found = ident(other.get("id")) if isinstance(other, dict) else None
            found = found or ident(details.get("id"))
        else:
            self._judge([result], action)
            found = ident(details.get("id"))
        if found is None:
            raise ProtocolError(f"{self._what(action)}: the answer has no id ({result.get('code')})")
        return found

    def _judge(self, results: Sequence[Row], action: str) -> None:
        """Each result by its own `status`, whatever the HTTP status says (§10.35)."""
        if not results:
            raise ProtocolError(f"{self._what(action)}: the answer has no result")
        for result in results:
            if result.get("code") == "ALREADY_MODIFIED":
                raise VersionConflict(f"{self._what(action)}: {result.get('message') or 'it has changed meanwhile'}")
            if result.get("status") != "success":
                raise refuse(result, self._what(action))

    async def _twin(self, row: Row) -> str | None:
        """A record just made that has the values of `row`: the newest page is read, for search lags behind."""
        names = [name for name in row if not name.startswith("$")]
        fields = list(dict.fromkeys(["Created_Time", *names]))[:MOST_FIELDS]
        answer = await self.crm.page(fields, sort=("Created_Time", "desc"))
        for found in answer.rows:
            if isinstance(found, Reject):
                continue
            made = iso(found.get("Created_Time"))
            if made is not None and answer.at - made <= RECENT and _same(row, found, fields):
                return ident(found.get("id"))
        return None

    async def _read(self, source_id: str) -> Record:
        row = await self.crm.single(source_id)
        if row is None:
            raise ProtocolError(f"CRM {self.crm.module} {source_id}: it was written, and is not there")
        return self._record(row)

    def _record(self, row: Row) -> Record:
        record = record_of(row, self.summary)
        if isinstance(record, Reject):
            raise ProtocolError(f"CRM {self.crm.module}: {record.reason}")
        return record

    def _path(self, source_id: str) -> str:
        return f"/{self.crm.module}/{quote(source_id, safe='')}"

    def _what(self, action: str) -> str:
        return f"{action} in CRM {self.crm.module}"


def _same(sent: Row, found: Row, fields: Sequence[str] | None = None) -> bool:
    """Whether a record has the plain values that are sent: texts, numbers, instants, lookups. At least one must tell."""
    names = [name for name in sent if not name.startswith("$") and (fields is None or name in fields)]
    pairs = [(_plain(sent[name]), _plain(found.get(name))) for name in names]
    told = [(mine, theirs) for mine, theirs in pairs if mine is not _DEEP and theirs is not _DEEP]
    return any(mine is not None for mine, _ in told) and all(mine == theirs for mine, theirs in told)


_DEEP = object()  # lists and the like: they are read in another shape than they are written


def _plain(value: Any) -> Any:
    if value is None or value == "" or value == [] or value == {}:
        return None
    if isinstance(value, dict):
        return ident(value.get("id")) or _DEEP
    if isinstance(value, list):
        return _DEEP
    return iso(value) or text(value) if isinstance(value, str) else value
