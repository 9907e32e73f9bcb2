"""Durations and sizes as people write them.

Public: parse_duration, parse_size. Stream options reach a connector as written in the YAML (`past: 365d`); it reads
them with these. In a schema, `"format": "syncd-duration"` or `"format": "syncd-size"` has them checked beforehand.
"""

import re
from datetime import timedelta

__all__ = ["parse_duration", "parse_size"]

DURATION = re.compile(r"([0-9]{1,12})(s|m|h|d)")
SIZE = re.compile(r"([0-9]{1,15})(\.[0-9]{1,6})? ?(B|[kKMGT]B|[KMGT]iB)")

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_BYTES = {
    "B": 1,
    "kB": 1000, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "TB": 1000**4,
    "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "TiB": 1024**4,
}  # fmt: skip
_LONGEST = timedelta(days=36_525)  # a century
_LARGEST = 2**63 - 1


def parse_duration(text: str) -> timedelta:
    """`15s`, `5m`, `12h` or `30d`, from 0 to 100 years. Raises ValueError with a message for the operator."""
    match = DURATION.fullmatch(text)
    if match is None:
        raise ValueError("must be a duration: a whole number and one unit, such as 15s, 5m, 12h or 30d")
    seconds = int(match[1]) * _SECONDS[match[2]]
    if seconds > _LONGEST.total_seconds():
        raise ValueError("must be a duration of at most 100 years (36525d)")
    return timedelta(seconds=seconds)


def parse_size(text: str) -> int:
    """`100MB` (decimal: 100,000,000) or `64MiB` (binary) in bytes. Raises ValueError with a message for the operator."""
    match = SIZE.fullmatch(text)
    if match is None:
        raise ValueError("must be a size: a number and a unit, such as 500KB, 100MB, 2GB or 64MiB")
    size = int(match[1]) * _BYTES[match[3]]
    if match[2]:
        digits = match[2][1:]
        size += int(digits) * _BYTES[match[3]] // 10 ** len(digits)
    if size > _LARGEST:
        raise ValueError("must be a size below 8 EiB")
    return size
