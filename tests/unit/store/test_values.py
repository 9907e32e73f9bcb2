"""Moments, JSON and texts as they are kept."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.store.compare import merged, same_payload
from syncd.store.values import dumps, loads, micros, moment, rfc3339, storable


@given(st.datetimes(timezones=st.just(UTC)))
def test_moments_come_back_exactly(when: datetime) -> None:
    assert moment(micros(when)) == when


def test_moments_are_utc() -> None:
    east = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert rfc3339(micros(east)) == "2026-01-01T10:00:00Z"
    assert rfc3339(micros(east + timedelta(microseconds=5))) == "2026-01-01T10:00:00.000005Z"
    assert micros(None) is moment(None) is rfc3339(None) is None


def test_json_has_sorted_keys_and_no_limits() -> None:
    assert dumps({"b": 1, "a": [None, "é"]}) == '{"a":[null,"é"],"b":1}'.encode()
    huge = {"n": 2**80}
    assert loads(dumps(huge))["n"] == pytest.approx(2**80)


@pytest.mark.parametrize(
    ("text", "kept"),
    [("plain", "plain"), ("é😀", "é😀"), ("a\0b", "a\ufffdb"), ("x\ud800y", "x\ufffdy"), (None, None), ("", "")],
)
def test_texts_fit_any_database(text: str | None, kept: str | None) -> None:
    assert storable(text) == kept
    assert kept is None or kept.encode().decode() == kept


@pytest.mark.parametrize(
    ("one", "other", "volatile", "same"),
    [
        ('{"a":1,"b":2}', '{"b": 2, "a": 1}', (), True),
        ('{"a":1}', '{"a":2}', (), False),
        ('{"a":1}', '{"a":true}', (), False),
        ('{"a":1}', '{"a":1.0}', (), False),
        ('{"a":1,"v":1}', '{"a":1,"v":2}', ("v",), True),
        ('{"a":1,"v":1}', '{"a":1}', ("v",), True),
        ('{"a":{"v":1,"x":1}}', '{"a":{"v":2,"x":1}}', ("a.v",), True),
        ('{"a":{"v":1,"x":1}}', '{"a":{"v":2,"x":2}}', ("a.v",), False),
        ('{"l":[{"v":1},{"v":2}]}', '{"l":[{"v":3},{"v":4}]}', ("l.*.v",), True),
        ('{"l":[{"v":1},{"v":2}]}', '{"l":[{"v":1}]}', ("l.*.v",), False),
        ('{"l":[1,2]}', '{"l":[3]}', ("l.*",), True),
        ('{"m":{"a":{"v":1},"b":{"v":1}}}', '{"m":{"a":{"v":2},"b":{"v":3}}}', ("m.*.v",), True),
        ('{"a":"text"}', '{"a":"text"}', ("a.b.c", "*.x", "missing.y"), True),
        ('{"l":[[{"v":1}]]}', '{"l":[[{"v":2}]]}', ("l.*.*.v",), True),
        ('{"@odata.etag":1,"x":1}', '{"@odata.etag":2,"x":1}', (r"@odata\.etag",), True),
        ('{"@odata.etag":1}', '{"@odata.etag":2}', ("@odata.etag",), False),
        ('{"l":[{"a.b":{"c":1}}]}', '{"l":[{"a.b":{"c":2}}]}', (r"l.*.a\.b.c",), True),
        ('{"a":{"b":1}}', '{"a":{"b":2}}', (r"a\.b",), False),
    ],
)
def test_payloads_are_compared_without_what_is_volatile(
    one: str, other: str, volatile: tuple[str, ...], same: bool
) -> None:
    assert same_payload(one.encode(), other.encode(), volatile) is same


def test_partial_payloads_merge_at_the_top_only() -> None:
    assert loads(merged(b'{"a":{"x":1},"b":2,"c":3}', b'{"a":{"y":1},"b":null,"d":null}')) == {"a": {"y": 1}, "c": 3}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (b'{"n":0.1234567890123456789012}', b'{"n":0.1234567890123456789013}', False),
        (b'{"n":123456789012345678901234567890}', b'{"n":123456789012345678901234567891}', False),
        (b'{"n":[12345678901234567890.5,1]}', b'{"n": [12345678901234567890.5, 1]}', True),
        (b'{"n":12345678901234567}', b'{"n":"12345678901234567"}', False),
        (b'{"n":1.50,"id":"1234567890123456"}', b'{"id":"1234567890123456","n":1.5}', True),
    ],
)
def test_numbers_are_compared_with_all_their_digits(one: bytes, other: bytes, same: bool) -> None:
    assert same_payload(one, other, ()) is same
