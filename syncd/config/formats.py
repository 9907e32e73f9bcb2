"""What a text in the configuration must look like: checks behind `"format": "syncd-…"` in the schemas.

Public: FORMATS, EXPECTED, Invalid, and the checks themselves. A connector's schemas may use the formats `syncd-duration`, `syncd-size` and
`syncd-endpoint`.

A check raises Invalid; its message goes on from the name of the place ("must be …"), and holds no part of the value that
could be a secret.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo, available_timezones

import jsonschema
from cronsim import CronSim, CronSimError

from syncd.sdk.units import parse_duration, parse_size

from .problem import did_you_mean

__all__ = [
    "CRON_ALIASES",
    "EXPECTED",
    "FORMATS",
    "NAME",
    "Invalid",
    "is_loopback",
    "parse_cron",
    "parse_listen",
    "parse_share",
]

NAME = r"^[a-z0-9][a-z0-9_.-]{0,62}$"
LEAST_INTERVAL = timedelta(seconds=15)
CRON_ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_CRON_FIELDS = ("minute", "hour", "day of the month", "month", "day of the week")
_SOME_DAY = datetime(2024, 1, 1, tzinfo=UTC)
_POSTGRES = "postgresql+psycopg://"


class Invalid(ValueError):
    """Says what is wrong and what would be right."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


def check_positive_duration(text: str) -> None:
    if not parse_duration(text):
        raise Invalid("must be longer than 0")


def check_interval(text: str) -> None:
    """`every:` of a schedule."""
    if parse_duration(text) < LEAST_INTERVAL:
        raise Invalid("must be at least 15s")


@lru_cache(maxsize=1024)
def parse_cron(text: str) -> str:
    """Five fields (aliases such as `@daily` spelled out) that have a next time."""
    text = CRON_ALIASES.get(text.strip().lower(), text)
    fields = text.split()
    if len(fields) != 5:
        hint = 'minute, hour, day of the month, month, day of the week: "0 2 * * 1-5"'
        raise Invalid(f"must have five fields, not {len(fields)}", hint)
    try:
        next(CronSim(text, _SOME_DAY))
    except CronSimError:
        raise _bad_cron(fields) from None
    except StopIteration:
        raise Invalid("never comes: there is no such day") from None
    return " ".join(fields)


def _bad_cron(fields: list[str]) -> Invalid:
    for position, name in enumerate(_CRON_FIELDS):
        alone = ["*"] * 5
        alone[position] = fields[position]
        try:
            CronSim(" ".join(alone), _SOME_DAY)
        except CronSimError:
            return Invalid(f"does not name a valid {name} (field {position + 1} of 5)")
    return Invalid("never comes: there is no such day")


def check_timezone(text: str) -> None:
    """An IANA zone."""
    if not _is_zone(text):
        hint = did_you_mean(text, available_timezones()) or "names as in Europe/Madrid or America/New_York"
        raise Invalid("must be a time zone of the IANA list", hint)


@lru_cache(maxsize=256)
def _is_zone(text: str) -> bool:
    try:
        return bool(ZoneInfo(text))
    except (ValueError, KeyError, OSError):  # a folder of zones ("Europe") is an OSError
        return False


def parse_share(text: str) -> float:
    """`25%` → 0.25."""
    match = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,4})?) ?%", text)
    share = float(match[1]) / 100 if match else 2.0
    if share > 1:
        raise Invalid("must be a percentage from 0% to 100%, or a whole number of items", "25% or 25")
    return share


def parse_listen(text: str) -> tuple[str, int]:
    """`host:port`, `[::1]:port` → host and port."""
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})", text)
    if match is None or int(match[2]) > 65535 or not _is_host(match[1]):
        raise Invalid("must be HOST:PORT", "127.0.0.1:8642, [::1]:8642, or 0.0.0.0:8642 for all addresses")
    return match[1].strip("[]"), int(match[2])


def _is_host(host: str) -> bool:
    """Whether a name or an address; what is all digits and dots must be an address."""
    if not host.startswith("[") and not re.fullmatch(r"[0-9.]+", host):
        return True
    try:
        return bool(ip_address(host.strip("[]")))
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Whether only this machine can be meant."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def check_store(text: str) -> None:
    """`sqlite`, or a PostgreSQL URL of which no password is written out."""
    if text == "sqlite":
        return
    if not text.startswith(_POSTGRES):
        hint = f"write {_POSTGRES}…" if text.startswith("postgres") else f"sqlite, or {_POSTGRES}user@host/database"
        raise Invalid("must be sqlite or a PostgreSQL URL", hint)
    parts = _split(text)
    if not parts.path.strip("/"):
        raise Invalid("must name the database", f"{_POSTGRES}user@host/database")


def has_literal_password(text: str) -> bool:
    """Whether a password stands in a URL as it is, rather than as a reference."""
    inside = re.search(r"://[^/@:?#]*:([^/]*)@", text)
    query = re.search(r"[?&]password=([^&#]*)", text)
    return any(found and found[1] and "${" not in found[1] for found in (inside, query))


def check_endpoint(text: str) -> None:
    """A root such as `https://people.example.org` or `http://127.0.0.1:9000`."""
    parts = _split(text)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise Invalid("must be a URL such as https://api.example.org")
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise Invalid("must be a URL without user or password", "credentials belong in the settings made for them")
    if parts.query or parts.fragment or text.endswith(("?", "#")):
        raise Invalid("must be a URL without '?' and '#'")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise Invalid("must be https: plain http is for this machine (127.0.0.1, localhost) only")


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        raise Invalid("must be a URL: this one cannot be read") from None
    if re.search(r"[\s\\\x00-\x20\x7f]", text):  # also what urlsplit drops silently
        raise Invalid("must be a URL: it has a space or a backslash in it")
    return parts


def check_pattern(text: str) -> None:
    """A pattern of account addresses."""
    if not text or text != text.strip():
        raise Invalid("must be an address or a pattern such as *@example.org")


CHECKS: dict[str, Callable[[str], object]] = {
    "syncd-cron": parse_cron,
    "syncd-duration": parse_duration,
    "syncd-endpoint": check_endpoint,
    "syncd-interval": check_interval,
    "syncd-listen": parse_listen,
    "syncd-pattern": check_pattern,
    "syncd-period": check_positive_duration,
    "syncd-share": parse_share,
    "syncd-size": parse_size,
    "syncd-store": check_store,
    "syncd-timezone": check_timezone,
}


DURATION, SIZE = "a duration such as 15s, 5m, 12h or 30d", "a size such as 500KB, 100MB, 2GB or 64MiB"
EXPECTED: dict[str, str] = {  # formats that a bare number, which people write, cannot have, with quotes or without
    "syncd-duration": DURATION,
    "syncd-interval": DURATION,
    "syncd-period": DURATION,
    "syncd-size": SIZE,
}


def _checker() -> jsonschema.FormatChecker:
    checker = jsonschema.FormatChecker(formats=())
    for name, check in CHECKS.items():
        checker.checkers[name] = (_only_texts(check), (ValueError,))
    return checker


def _only_texts(check: Callable[[str], object]) -> Callable[[object], bool]:
    def run(value: object) -> bool:
        if isinstance(value, str):
            check(value)
        return True

    return run


FORMATS = _checker()
