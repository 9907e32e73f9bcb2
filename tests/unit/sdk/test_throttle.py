"""Reading "slow down", also where it is nonsense."""

from datetime import UTC, datetime

import httpx
import pytest

from syncd.sdk import RateLimited, retryable
from syncd.sdk.errors import LONGEST_WAIT

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("10", 10.0),
        ("99999999999999999999", LONGEST_WAIT),
        ("9" * 400, LONGEST_WAIT),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_WAIT),
        ("Mon, 01 Jan 1990 00:00:00 GMT", 0.0),
        ("²", None),
        ("soon", None),
        ("", None),
    ],
)
def test_a_header_gives_a_time_that_can_be_waited_for(given: str, seconds: float | None) -> None:
    headers = [(b"retry-after", given.encode())]
    error = retryable(httpx.Response(429, headers=headers), NOW)
    assert isinstance(error, RateLimited)
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    ("given", "seconds"), [("10", 10.0), (float("nan"), None), (float("inf"), LONGEST_WAIT), (-1, 0.0), ("x", None)]
)
def test_a_connector_may_hand_on_what_it_got(given: object, seconds: float | None) -> None:
    assert RateLimited(retry_after=given).retry_after == seconds  # type: ignore[arg-type]
