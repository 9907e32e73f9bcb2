"""Logging: one line per event, on stderr, with every known secret blotted out.

Public: configure, plain, FORMATS, LEVELS. structlog's loggers and the standard library's (uvicorn, watchdog, plugins) end in
the same handler, with the facts of the run that they belong to: readable lines on a terminal, JSON elsewhere. Nothing is
logged before `configure` was called, so that a command's stdout stays its own.

Where stderr is the journal itself, each line begins with its priority (sd-daemon(3)), which journald takes off again:
`journalctl -p warning` shows what matters. The journal knows the time, so that readable lines leave it out there.
"""

import json
import logging
import os
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, TextIO

import structlog

from syncd.engine.log import known
from syncd.sdk import redact

__all__ = ["FORMATS", "LEVELS", "configure", "plain"]

FORMATS = ("auto", "json", "console")
LEVELS = ("debug", "info", "warning", "error")

Event = MutableMapping[str, Any]
# What they say below a warning is whole addresses, every statement, each change of a folder: the engine tells what matters.
NOISY = ("httpx", "httpcore", "watchdog", "asyncio", "alembic", "sqlalchemy", "uvicorn", "schedule")
LONGEST = 20_000  # characters of one value
PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


def configure(
    level: str = "info",
    *,
    stream: TextIO | None = None,
    form: str = "auto",
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Send all logs of `level` and above to `stream` (stderr). `form` auto: readable on a terminal, JSON elsewhere."""
    out = sys.stderr if stream is None else stream
    json_lines = not out.isatty() if form == "auto" else form == "json"
    journal = _is_journal(out, environment)
    number = logging.getLevelNamesMapping()[level.upper()]
    handler = logging.StreamHandler(out)
    handler.setFormatter(_Formatter(_processors(json_lines, journal, out), journal))
    logging.basicConfig(level=number, handlers=[handler], force=True)
    for name in NOISY:
        logging.getLogger(name).setLevel(max(number, logging.WARNING))
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.processors.StackInfoRenderer(),
            _exception,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def plain(text: str) -> str:
    """The text with its control characters written out, so that a provider's text cannot steer a terminal."""
    return "".join(char if char.isprintable() or char in "\n\t" else ascii(char)[1:-1] for char in text)


def _is_journal(out: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether what is written to `out` goes straight to the journal: systemd says which file that is."""
    try:
        file = os.fstat(out.fileno())
    except (OSError, ValueError):  # ValueError: no file at all
        return False
    return environment.get("JOURNAL_STREAM") == f"{file.st_dev}:{file.st_ino}"


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """The last word on every line: whatever it was made from, no secret leaves."""

    def __init__(self, processors: list[Any], journal: bool) -> None:
        super().__init__(
            processors=processors,
            foreign_pre_chain=[structlog.stdlib.add_log_level, _foreign_name, _foreign_facts, _exception],
        )
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        text = redact(super().format(record))
        if not self._journal:
            return text
        mark = f"<{_priority(record.levelno)}>"
        return "\n".join(mark + line for line in text.rstrip("\n").split("\n"))


def _priority(level: int) -> int:
    """syslog's number for a level; one in between counts as the lower."""
    return next((PRIORITIES[known] for known in sorted(PRIORITIES, reverse=True) if known <= level), 7)


def _processors(json_lines: bool, journal: bool, out: TextIO) -> list[Any]:
    drop = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if json_lines:
        return [_timestamp, drop, _escape, structlog.processors.JSONRenderer(serializer=_dumps)]
    console = structlog.dev.ConsoleRenderer(
        colors=out.isatty(), pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
    )
    return [drop, _escape, console] if journal else [_time_of_day, drop, _escape, console]


def _dumps(event: Event, **_: Any) -> str:
    return json.dumps(event, default=str, ensure_ascii=False)


def _timestamp(_: Any, __: str, event: Event) -> Event:
    """What people look for stands first."""
    first = {"time": _made(event).isoformat().replace("+00:00", "Z"), "level": event["level"], "event": event["event"]}
    return {**first, **event}


def _time_of_day(_: Any, __: str, event: Event) -> Event:
    event["timestamp"] = f"{_made(event).astimezone():%H:%M:%S}"
    return event


def _made(event: Event) -> datetime:
    """When the line was made, as the standard library noted it."""
    return datetime.fromtimestamp(event["_record"].created, UTC)


def _foreign_name(_: Any, __: str, event: Event) -> Event:
    record = event.get("_record")
    if isinstance(record, logging.LogRecord):
        event["logger"] = record.name
    return event


def _foreign_facts(_: Any, __: str, event: Event) -> Event:
    """What a plugin or a library says inside a run carries the run's facts too."""
    return {**known(), **event}


def _exception(_: Any, __: str, event: Event) -> Event:
    """A traceback without the values of variables: those may be a person's data."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event["exception"] = "".join(traceback.format_exception(error))
    return event


def _escape(_: Any, __: str, event: Event) -> Event:
    return {key: plain(value[:LONGEST]) if isinstance(value, str) else value for key, value in event.items()}
