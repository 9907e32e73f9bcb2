"""A logger that carries facts (connection, account, stream) and costs nothing until it is used.

Public: Log, logger, about (facts that all lines inside carry), known, debugging. The interface is structlog's; structlog
does the work where the program has configured it, the standard library's logging otherwise.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from types import MappingProxyType
from typing import Any, Protocol

from syncd.sdk import redact

__all__ = ["Log", "about", "debugging", "known", "logger"]

NAME = "syncd.engine"

_known: ContextVar[Mapping[str, Any]] = ContextVar("syncd_log", default=MappingProxyType({}))


class Log(Protocol):
    """structlog's interface, as far as it is used here."""

    def bind(self, **facts: Any) -> "Log": ...
    def debug(self, event: str, **facts: Any) -> None: ...
    def info(self, event: str, **facts: Any) -> None: ...
    def warning(self, event: str, **facts: Any) -> None: ...
    def error(self, event: str, **facts: Any) -> None: ...


class _Facts:
    """Binds facts now, finds the real logger when something is said."""

    __slots__ = ("_facts",)

    def __init__(self, facts: dict[str, Any]) -> None:
        self._facts = facts

    def __getattr__(self, name: str) -> Any:
        if name in ("debug", "info", "warning", "error", "exception", "critical"):
            return partial(_say, self._facts, name)
        raise AttributeError(name)

    def bind(self, **facts: Any) -> "_Facts":
        return _Facts({**self._facts, **facts})


def logger(**facts: Any) -> Any:
    """A logger with these facts bound."""
    return _Facts(facts)


@contextmanager
def about(**facts: Any) -> Iterator[None]:
    """All lines of this task, and of tasks that it starts inside, carry these facts: whoever writes them."""
    token = _known.set({**_known.get(), **facts})
    try:
        yield
    finally:
        _known.reset(token)


def known() -> Mapping[str, Any]:
    """The facts that `about` has set here."""
    return _known.get()


def debugging() -> bool:
    """Whether lines of level debug are written: where making one costs more than asking."""
    return logging.getLogger(NAME).isEnabledFor(logging.DEBUG)


def _say(bound: dict[str, Any], level: str, event: str, **facts: Any) -> None:
    import structlog  # late: a tenth of a second that `syncd --help` need not pay

    given = {**_known.get(), **bound, **facts}
    values = {key: redact(value) if isinstance(value, str) else value for key, value in given.items()}
    if structlog.is_configured():
        getattr(structlog.get_logger(NAME), level)(redact(event), **values)
        return
    text = " ".join(f"{key}={value!r}" for key, value in values.items() if key != "exc_info")
    plain = logging.getLogger(NAME)
    getattr(plain, level)("%s %s", redact(event), text, exc_info=values.get("exc_info"))
