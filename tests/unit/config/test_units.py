"""Durations and sizes."""

from datetime import timedelta

import pytest

from syncd.sdk.units import parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("15s", 15), ("5m", 300), ("12h", 43_200), ("30d", 2_592_000), ("0s", 0), ("36525d", 3_155_760_000)],
)
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "5", "5 m", "1.5h", "-5m", "5M", "1w", "1h30m", "36526d", "9" * 13 + "s", "٣s", "5m\n"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="must be a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("100MB", 100_000_000), ("64MiB", 67_108_864), ("1.5GB", 1_500_000_000), ("0B", 0), ("500 KB", 500_000),
        ("1kB", 1000), ("2TiB", 2 * 1024**4), ("0.1KiB", 102),
    ],
)  # fmt: skip
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "100", "MB", "-1MB", "1mb", "1PB", "1,5GB", "9999999TiB", "1MB\n"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="must be a size"):
        parse_size(text)
