"""What the API takes and gives, for its OpenAPI document. Answers are made by `syncd.control`; these describe them.

Public: everything in __all__.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "Account",
    "Cancelled",
    "CheckBody",
    "Checked",
    "Connection",
    "Connectors",
    "DaemonFacts",
    "DecideBody",
    "Decision",
    "Entry",
    "FolderBody",
    "Held",
    "Imported",
    "KeyStatus",
    "Notices",
    "Plan",
    "Problem",
    "PurgeBody",
    "PurgePreview",
    "Record",
    "RecordPage",
    "Refusal",
    "Reloaded",
    "ResetDone",
    "RotateBody",
    "RunBody",
    "RunDetail",
    "RunNamed",
    "RunReport",
    "ScopeBody",
    "Status",
    "Switched",
    "SyncCard",
    "Tried",
    "Validation",
]

Name = str
Time = str  # RFC 3339, UTC


class _Body(BaseModel):
    """A request's body; an unknown key is an error."""

    model_config = ConfigDict(extra="forbid")


class ScopeBody(_Body):
    """What of a sync is meant; empty lists mean all."""

    streams: list[Name] = []
    accounts: list[Name] = []


class RunBody(ScopeBody):
    """What a run covers. `full` reads everything; `dry_run` compares and writes nothing."""

    full: bool = False
    dry_run: bool = False


class DecideBody(ScopeBody):
    """`shown`: as `held` gave it; the decision is refused if something else is held by now."""

    shown: str | None = None


class CheckBody(_Body):
    """Which connection; all of them without one."""

    connection: Name | None = None


class FolderBody(_Body):
    """A configuration folder: where it stands, and its files, relative path → text."""

    folder: str = Field(examples=["/etc/syncd"])
    files: dict[str, str] = Field(examples=[{"acme.yaml": "version: 1\n"}])


class Problem(BaseModel):
    """One thing that is wrong with the configuration. Line and column count from 1; 0 means the whole file."""

    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str


class Refusal(BaseModel):
    """Every error. `code` is one of `/api/v1/errors`, or empty; `exit_code` is what the command line would exit with."""

    code: str
    message: str
    hint: str
    exit_code: int
    problems: list[Problem] | None = Field(None, description="Only where the configuration is the reason.")

    model_config = ConfigDict(json_schema_extra={"required": ["code", "message", "hint", "exit_code"]})


class Counts(BaseModel):
    """Each item met has one outcome."""

    new: int
    updated: int
    unchanged: int
    deleted: int
    failed: int
    held: int
    pending: int
    skipped: int


class DaemonFacts(BaseModel):
    """The process that answers."""

    running: bool
    pid: int
    version: str


class Paused(BaseModel):
    """Why a sync rests. `code` names an entry of the error catalogue."""

    code: str | None
    reason: str | None
    since: Time | None


class LastRun(BaseModel):
    run: int
    status: Literal["completed", "partial", "failed", "cancelled", "held"]
    finished_at: Time | None
    counts: Counts


class StreamNumbers(BaseModel):
    """`freshness_s`: age of the least fresh partition; null before the first complete round."""

    stream: str
    accounts: int
    records: int
    freshness_s: float | None


class SyncCard(BaseModel):
    """A sync as it is now."""

    name: Name
    connection: Name
    enabled: bool
    state: Literal["idle", "running", "paused", "disabled", "held", "waiting"]
    paused: Paused | None
    next_run: Time | None
    last_run: LastRun | None
    streams: list[StreamNumbers]


class Status(BaseModel):
    """`syncd status --json`."""

    daemon: DaemonFacts | None
    problems: list[Problem]
    syncs: list[SyncCard]


class Account(BaseModel):
    """An imported account. `streams`: name → `ready` or why not."""

    account: str
    name: str
    kind: str | None = Field(None, description="Only for what is not a person.")
    role: str
    state: str
    streams: dict[str, str]


class Imported(BaseModel):
    """`syncd import --json`."""

    connection: Name
    accounts: list[Account]
    new: list[str]
    gone: list[str]


class Connection(BaseModel):
    """One organisation at one provider. `organization`: what its first import bound it to."""

    name: Name
    connector: str
    title: str
    organization: str | None
    discovery: Literal["manual", "automatic"]
    accounts: int
    imported_at: Time | None
    syncs: list[Name]


class AccountResult(BaseModel):
    account: str
    status: str
    counts: Counts


class StreamResult(BaseModel):
    stream: str
    status: str
    accounts: int
    counts: Counts


class StreamDetail(StreamResult):
    account_results: list[AccountResult]


class RunError(BaseModel):
    """What went wrong, where, and what to do."""

    code: str
    message: str
    stream: str | None
    account: str | None
    partition: str | None
    source_id: str | None
    hint: str | None


class ErrorDetail(RunError):
    detail: str | None = Field(description="A traceback, for who asks for it.")


class _Run(BaseModel):
    run: int
    sync: Name
    trigger: Literal["scheduled", "manual", "webhook", "startup"]
    status: Literal["running", "completed", "partial", "failed", "cancelled", "held"]
    started_at: Time
    finished_at: Time | None
    duration_s: float | None
    counts: Counts
    requests: int


class RunReport(_Run):
    """One element of `syncd sync --json` and `syncd history --json`."""

    streams: list[StreamResult]
    errors: list[RunError]


class RunDetail(_Run):
    """`syncd show --json`. `error_count`: all errors; `errors` keeps the first 1,000."""

    streams: list[StreamDetail]
    errors: list[ErrorDetail]
    connection: Name
    reason: str | None
    error_count: int


class RunNamed(BaseModel):
    """The run that was started, or that was under way and covers what was asked (`joined`). A dry run has no number."""

    event: Literal["run"]
    run: int | None
    sync: Name
    joined: bool


class Cancelled(BaseModel):
    run: int
    sync: Name
    cancelled: bool


class Switched(BaseModel):
    """A sync after `enable`, `disable` or `resume`."""

    sync: Name
    enabled: bool
    state: str
    note: str
    next_run: Time | None = Field(None, description="After `resume`.")


class ResetDone(BaseModel):
    sync: Name
    streams: list[str]
    partitions: int = Field(description="How many will be read in full.")


class HeldItem(BaseModel):
    source_id: str
    title: str | None


class HeldSet(BaseModel):
    """Held deletions of one partition. `origin`: how the deletion was noticed."""

    stream: str
    account: str
    partition: str
    title: str | None
    origin: Literal["reported", "sweep", "vanished"]
    count: int
    live: int | None
    examples: list[HeldItem]


class Held(BaseModel):
    """`shown` stands for exactly these sets: give it back with the decision."""

    sync: Name
    count: int
    sets: list[HeldSet]
    shown: str


class Decision(BaseModel):
    sync: Name
    decision: Literal["approved", "rejected"]
    decided: int
    sets: list[HeldSet]


class Record(BaseModel):
    """A mirrored item. `data`: the provider's item as it came; `summary`: the common fields of its kind."""

    connection: Name
    account: str
    stream: str
    partition: str
    source_id: str
    seq: int
    version: int
    change: Literal["added", "updated", "deleted"]
    first_seen_at: Time
    last_changed_at: Time
    deleted_at: Time | None
    source_gone_at: Time | None = Field(None, description="Only with `deletions: keep`, once it is gone at the source.")
    out_of_scope: bool | None = Field(None, description="Only where it is true: kept, no longer refreshed.")
    summary: dict[str, Any]
    data: Any


class RecordPage(BaseModel):
    """A page. `next`: give it back as `after`; null at the end."""

    records: list[Record]
    next: int | None


class Checked(BaseModel):
    """One connection tried. `streams`: name → `ready` or what is missing; `error` if it is refused as a whole."""

    connection: Name
    ok: bool
    streams: dict[str, str]
    error: Refusal | None
    exit_code: int


class FieldChange(BaseModel):
    path: str
    before: str | None
    after: str | None


class Difference(BaseModel):
    """One block that changes. `effect`: what it means for runs under way."""

    block: Literal["daemon", "connection", "sync"]
    name: str
    change: Literal["added", "removed", "changed", "renamed"]
    effect: Literal["next", "end_run", "restart"]
    previous_name: str | None
    fields: list[FieldChange]
    syncs: list[Name]
    warnings: list[str]


class ScopeChange(BaseModel):
    """A sync that would cover other accounts. Who leaves stays in the mirror and is no longer refreshed."""

    sync: Name
    before: int
    after: int
    enter: int
    leave: int
    entering: list[str]
    leaving: list[str]


class ReadAgain(BaseModel):
    sync: Name
    stream: str


class Plan(BaseModel):
    """`syncd plan --json`. `read_again`: streams whose next round would be full."""

    daemon: bool
    changes: list[Difference]
    accounts: list[ScopeChange]
    read_again: list[ReadAgain]


class Reloaded(BaseModel):
    ok: bool
    problems: list[Problem]
    changes: list[Difference]


class Validation(BaseModel):
    """`syncd validate --json`."""

    ok: bool
    problems: list[Problem]


class Channel(BaseModel):
    """Where operators are told, by the reference that stands in the YAML. `waiting`: messages not sent yet."""

    channel: str
    waiting: int
    error: str | None
    failing_since: Time | None


class Notice(BaseModel):
    """Something that operators were told of and that is not over."""

    key: str
    kind: str
    title: str
    text: str
    since: Time | None


class Tried(BaseModel):
    channel: str
    ok: bool
    error: str | None


class Notices(BaseModel):
    channels: list[Channel]
    open: list[Notice]


class ConnectorStream(BaseModel):
    stream: str
    title: str
    scans: list[str]
    deletes: str


class Installed(BaseModel):
    name: str
    title: str
    distribution: str
    version: str
    api: int
    streams: list[ConnectorStream]


class Broken(BaseModel):
    name: str
    distribution: str
    version: str
    error: str
    traceback: str


class Connectors(BaseModel):
    """`syncd connectors --json`."""

    connectors: list[Installed]
    broken: list[Broken]


class RotateBody(_Body):
    """`data_key`: make a new one, and seal everything anew."""

    data_key: bool = False


class PurgeBody(ScopeBody):
    """`shown`: as the preview gave it; the purge is refused if it would remove something else by now."""

    shown: str


class PurgedStream(BaseModel):
    """`held`: deletions that wait for a decision; `retries`: contents that would be tried again."""

    stream: str
    partitions: int
    records: int
    tombstones: int
    versions: int
    unreadable: int
    held: int
    retries: int


class PurgedContents(BaseModel):
    """`shared`: contents that stay, because others have them too."""

    count: int
    bytes: int
    shared: int


class PurgePreview(BaseModel):
    """What a purge would remove. `comes_back`: what would bring it back, if anything."""

    connection: str
    account: list[Name]
    stream: list[Name]
    accounts: list[Name]
    streams: list[PurgedStream]
    contents: PurgedContents
    errors: int
    handed_over: int = Field(description="Shared drives that another account reads from then on.")
    credentials: bool
    comes_back: str
    not_reached: list[str]
    shown: str


class OperatorKey(BaseModel):
    """One of `encryption_keys`, by its id."""

    key: str
    encrypts: bool
    needed: bool


class DataKey(BaseModel):
    """A secret of syncd's own that seals values. `values`: how many of each kind."""

    data_key: int
    wrapped_by: str
    created_at: Time | None
    seals: bool
    values: dict[str, int]


class KeyStatus(BaseModel):
    """`syncd keys status --json`."""

    encrypted: bool
    keys: list[OperatorKey]
    data_keys: list[DataKey]
    clear: dict[str, int]


class Entry(BaseModel):
    """`syncd explain --json`: what an error code means, what syncd does about it, what to do."""

    code: str
    title: str
    meaning: str
    action: str
    hint: str
