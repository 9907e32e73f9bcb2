"""A connection's settings as checked structs.

Public: Plan, StreamPlan, OneAccount, read.
"""

import os
import shutil
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from syncd.sdk import Secret, SyncdError, parse_duration, parse_size

from . import errors
from .catalog import Catalog, parsed

__all__ = ["OneAccount", "Plan", "StreamPlan", "read"]


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class OneAccount(_Part, frozen=True, kw_only=True):
    """Singer knows no people: everything belongs to one account."""

    id: str = "default"
    address: str | None = None
    name: str = ""


class StreamPlan(_Part, frozen=True, kw_only=True):
    """How a stream is read. `tap_stream`: its name in the tap's catalogue, where that differs."""

    tap_stream: str | None = None
    replication: str = "full"
    replication_key: str | None = None
    key: list[str] | None = None
    full_every: str | None = None
    exclude: list[str] = []
    volatile: list[str] = []
    kind: str | None = None

    @property
    def every(self) -> timedelta | None:
        return parse_duration(self.full_every) if self.full_every else None


class Plan(_Part, frozen=True, kw_only=True):
    """All of a connection's settings."""

    tap: str
    venv: str | None = None
    config: dict[str, Any] = {}
    credentials: dict[str, Any] = {}
    catalog: str | None = None
    catalog_flag: str = "--catalog"
    streams: dict[str, StreamPlan | None] = {}
    account: OneAccount = OneAccount()
    memory: str = "2GiB"
    timeout: str = "2h"

    @property
    def memory_bytes(self) -> int:
        return parse_size(self.memory)

    @property
    def timeout_seconds(self) -> float:
        return parse_duration(self.timeout).total_seconds()

    def executable(self) -> str:
        """The tap's program: a path, a name in `venv`, or a name in $PATH."""
        if os.sep in self.tap:
            return self.tap
        if self.venv is not None:
            return str(Path(self.venv, "bin", self.tap))
        found = shutil.which(self.tap)
        if found is None:
            raise SyncdError(f"there is no program {self.tap!r} in $PATH", code=errors.NOT_STARTED)
        return found

    def tap_config(self) -> dict[str, Any]:
        """What the tap is told, secrets as they are now. `auth.token` is the key `token` inside `auth`."""
        told: dict[str, Any] = _copied(self.config)
        for path, value in self.credentials.items():
            *way, last = path.split(".")
            inner = told
            for step in way:
                inner = inner.setdefault(step, {})
            inner[last] = value.reveal() if isinstance(value, Secret) else value
        return told

    def stored_catalog(self) -> Catalog | None:
        """The catalogue in the file that the settings name. Raises ValueError if it is of no use."""
        if self.catalog is None:
            return None
        try:
            return parsed(Path(self.catalog).read_bytes())
        except OSError as error:
            raise ValueError(f"the catalogue cannot be read: {self.catalog}: {error.strerror}") from error


def read(settings: Mapping[str, Any]) -> Plan:
    """The plan. Raises ValueError for settings that do not keep to the schema."""
    credentials = settings.get("credentials") or {}
    plain = {key: value for key, value in settings.items() if key != "credentials"}
    try:
        return msgspec.structs.replace(msgspec.convert(plain, Plan), credentials=dict(credentials))
    except msgspec.ValidationError as error:
        raise ValueError(f"settings do not fit: {error}") from error


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _copied(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_copied(one) for one in value]
    return str(value) if isinstance(value, str) else value
