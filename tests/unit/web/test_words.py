"""Values as people read them."""

from datetime import UTC, datetime

import pytest

from syncd.web.pages.charts import stacked
from syncd.web.pages.words import absolute, clean, compact, day, relative, size, span, texts, ticks

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0.004, "4 ms"), (2.5, "2.5 s"), (42.7, "42 s"), (61, "1 min 1 s"), (3600, "1 h"), (7384, "2 h 3 min"),
     (90000, "1 d 1 h"), (86400 * 40, "40 d")],
)  # fmt: skip
def test_a_length_of_time(seconds: float | None, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("moment", "text"),
    [("2026-11-21T11:59:59.5Z", "now"), ("2026-11-21T11:59:55Z", "5 s ago"), ("2026-11-21T14:00:00Z", "in 2 h"),
     ("2026-11-19T12:00:00+00:00", "2 d ago"), ("garbage", "garbage"), (None, "–")],
)  # fmt: skip
def test_a_moment_as_seen_from_now(moment: str | None, text: str) -> None:
    assert relative(moment, NOW) == text


def test_moments_and_days_as_records_give_them() -> None:
    assert absolute("2026-11-21T11:00:00.123Z") == "2026-11-21 11:00:00 UTC"
    assert day("2026-11-21") == "Sat 21 Nov 2026"
    assert day("2026-11-21T11:00:00Z") == "Sat 21 Nov 2026, 11:00 UTC"
    assert day("whenever <b>") == "whenever <b>"


def test_numbers_and_sizes() -> None:
    assert [compact(one) for one in (7, 1234, 12_345, 1_234_567)] == ["7", "1\u202f234", "12.3\u202fk", "1.2\u202fM"]
    assert [size(one) for one in (None, 0, 999, 1500, 2_500_000_000)] == [
        "–",
        "0 bytes",
        "999 bytes",
        "1.5 kB",
        "2.5 GB",
    ]


def test_people_however_a_connector_writes_them() -> None:
    given = [
        "a@x.example",
        {"email": "b@x.example", "response": "accepted"},
        {"name": "C", "address": "c@x.example"},
        {},
    ]
    assert texts(given) == ["a@x.example", "b@x.example (accepted)", "C <c@x.example>"]
    assert texts({"name": "D"}) == ["D"]
    assert texts(None) == []


def test_commands_in_back_ticks_are_set_apart_and_nothing_else_is_markup() -> None:
    assert ticks("run `syncd check <b>` & see") == "run <code>syncd check &lt;b&gt;</code> &amp; see"
    assert ticks("one ` alone") == "one ` alone"


def test_characters_that_hide_or_turn_text_are_shown() -> None:
    assert clean("a\u202eb\x1b[31m\x00c\u200d\n") == "a\ufffdb\ufffd[31m\ufffdc\u200d\n"
    assert clean(None) == ""
    assert clean(7) == 7


def test_a_chart_gives_every_change_a_height_and_stays_inside() -> None:
    counts = [{"new": 1, "updated": 0, "unchanged": 10_000}, {"new": 5000, "failed": 1, "deleted": 1}, {}]
    chart = stacked([{"run": number, "counts": one} for number, one in enumerate(counts)])
    assert [(bar.kind, bar.title) for bar in chart.bars] == [
        ("new", "run 0: 1 new"),
        ("unchanged", "run 0: 10000 unchanged"),
        ("new", "run 1: 5000 new"),
        ("deleted", "run 1: 1 deleted"),
        ("failed", "run 1: 1 failed"),
    ]
    assert all(bar.height >= 2 and bar.y >= 0 and bar.y + bar.height <= chart.height for bar in chart.bars)
    assert stacked([{"run": 1, "counts": {}}]).bars == []
