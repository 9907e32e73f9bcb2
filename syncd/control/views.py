"""Values as the JSON that the contract names.

Public: account_view, channel_json, channel_problem, connectors_json, difference_json, listen_problem, notice_json, problem_json, time_json.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from syncd.config.diff import Difference
    from syncd.config.model import AccountFilter
    from syncd.config.problem import Problem
    from syncd.deliver.notices import ChannelState
    from syncd.engine.ports import AccountRow
    from syncd.plugins import Plugins
    from syncd.store import NoticeRow

__all__ = [
    "account_view",
    "channel_json",
    "channel_problem",
    "connectors_json",
    "difference_json",
    "listen_problem",
    "notice_json",
    "problem_json",
    "time_json",
]


def time_json(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def account_view(row: "AccountRow", streams: Sequence[str], covered: "AccountFilter") -> dict[str, Any]:
    """An account of `accounts --json`. State `excluded`: active at the provider, left out by the connection's filter."""
    from syncd.engine.imports import account_json

    shown = account_json(row, streams)
    excluded = shown["state"] == "active" and not covered.covers(row.account)
    return {**shown, "state": "excluded"} if excluded else shown


def problem_json(problem: "Problem") -> dict[str, Any]:
    """An element of `problems`."""
    return {name: getattr(problem, name) for name in ("file", "line", "column", "path", "message", "hint")}


def channel_json(channel: "ChannelState") -> dict[str, Any]:
    """A notice channel, by the reference that stands in the YAML."""
    return {
        "channel": channel.name,
        "waiting": channel.waiting,
        "error": channel.error,
        "failing_since": time_json(channel.since),
    }


def notice_json(row: "NoticeRow") -> dict[str, Any]:
    """Something that operators were told of and that is not over."""
    return {"key": row.key, "kind": row.kind, "title": row.title, "text": row.text, "since": time_json(row.since)}


def channel_problem(channel: "ChannelState") -> dict[str, Any]:
    """A failing channel as an element of `problems`: it stands in no file."""
    message = f"the notice channel {channel.name} fails since {time_json(channel.since)}: {channel.error}"
    hint = "`syncd notify --test` tries it; what waits is sent once it works again"
    return {"file": "", "line": 0, "column": 0, "path": "daemon.notify", "message": message, "hint": hint}


def listen_problem(why: str) -> dict[str, Any]:
    """An address that cannot be had as an element of `problems`."""
    hint = "free the address or change daemon.listen: it is tried again every few seconds [SYN-API-005]"
    return {"file": "", "line": 0, "column": 0, "path": "daemon.listen", "message": why, "hint": hint}


def difference_json(difference: "Difference") -> dict[str, Any]:
    """One block of `plan --json`."""
    return {
        "block": str(difference.block),
        "name": difference.name,
        "change": str(difference.change),
        "effect": str(difference.effect),
        "previous_name": difference.previous_name,
        "fields": [{"path": one.path, "before": one.before, "after": one.after} for one in difference.fields],
        "syncs": list(difference.syncs),
        "warnings": list(difference.warnings),
    }


def connectors_json(plugins: "Plugins") -> dict[str, Any]:
    """`connectors --json`: what is installed and what is broken."""
    return {
        "connectors": [_connector(plugins, name) for name in sorted(plugins.connectors)],
        "broken": _broken(plugins),
    }


def _connector(plugins: "Plugins", name: str) -> dict[str, Any]:
    connector, origin = plugins.connectors[name], plugins.installed[name]
    return {
        "name": name,
        "title": connector.info.title or name,
        "distribution": origin.distribution,
        "version": origin.version,
        "api": connector.info.api,
        "streams": [_stream(stream.info) for stream in connector.streams()],
    }


def _stream(info: Any) -> Mapping[str, Any]:
    return {
        "stream": info.name,
        "title": info.title,
        "scans": sorted(str(scan) for scan in info.scans),
        "deletes": str(info.deletes),
    }


def _broken(plugins: "Plugins") -> list[dict[str, Any]]:
    names = ("name", "distribution", "version", "error", "traceback")
    return [{name: getattr(one, name) for name in names} for one in plugins.broken.values()]
