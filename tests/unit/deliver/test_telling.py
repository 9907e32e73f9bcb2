"""Once when it begins, once when it is over, never in a storm."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from syncd.deliver.occasions import Occasion
from syncd.deliver.telling import Mood, backoff, clean, compose, next_slot, plan
from syncd.sdk import conceal
from syncd.store import NoticePlan, NoticeRow

START = datetime(2026, 1, 1, tzinfo=UTC)
KIND = "paused"


class Book:
    """The rows as the store would keep them, and the messages that were written."""

    def __init__(self) -> None:
        self.rows: dict[str, NoticeRow] = {}
        self.messages: list[tuple[str, str]] = []
        self.now = START

    def settle(self, *keys: str, judged: Sequence[str] = (KIND,)) -> NoticePlan:
        wanted = [Occasion(key, KIND, f"{key} is wrong", "text") for key in keys]
        done = plan(
            list(self.rows.values()), wanted, judged, lambda row: (f"{row.key} is over", ""), ["one", "two"], self.now
        )
        self.rows.update({row.key: row for row in done.put})
        for key in done.drop:
            del self.rows[key]
        self.messages += [(channel, content["title"]) for channel, content in done.messages]
        return done

    def told(self) -> list[str]:
        titles = [title for channel, title in self.messages if channel == "one"]
        assert titles == [title for channel, title in self.messages if channel == "two"]
        self.messages.clear()
        return titles


def test_it_is_told_once_to_each_channel_and_once_more_when_over() -> None:
    book = Book()
    for _ in range(3):
        book.settle("a")
    assert book.told() == ["a is wrong"]
    for _ in range(3):
        book.settle()
    assert book.told() == ["a is over"]


def test_nothing_is_written_where_nothing_changed() -> None:
    book = Book()
    book.settle("a")
    assert not book.settle("a")


def test_kinds_that_were_not_judged_do_not_end() -> None:
    book = Book()
    book.settle("a")
    book.settle(judged=["held"])
    assert book.told() == ["a is wrong"]
    assert book.rows["a"].open


def test_what_flaps_is_told_six_times_and_then_once_it_has_calmed_down() -> None:
    book = Book()
    for step in range(40):
        book.settle(*(["a"] if step % 2 == 0 else []))
        book.now += timedelta(seconds=30)
    assert book.told() == ["a is wrong", "a is over"] * 3
    book.settle("a")
    book.now += timedelta(minutes=14)
    book.settle("a")
    assert book.told() == []
    book.now += timedelta(minutes=2)
    book.settle("a")
    assert book.told() == ["a is wrong"]


def test_an_old_end_is_forgotten_and_what_is_open_never() -> None:
    book = Book()
    book.settle("a", "b")
    book.settle("b")
    book.now += timedelta(days=30)
    book.settle("b")
    assert list(book.rows) == ["b"]


def message(title: str, text: str = "text", *, kind: str = "not_fresh", over: bool = False) -> dict[str, Any]:
    return {"title": title, "text": text, "kind": kind, "over": over}


def test_one_message_is_told_as_it_is() -> None:
    telling = compose([message("a is not fresh", "look at it", over=False)])
    assert (telling.title, telling.body, telling.mood) == ("a is not fresh", "look at it", Mood.BAD)
    assert compose([message("a is well", over=True)]).mood is Mood.GOOD


def test_a_thousand_messages_are_one_that_a_chat_service_takes() -> None:
    many = [message(f"s{number} is not fresh", "x" * 500) for number in range(1000)]
    telling = compose([*many, message("b is resumed", kind="paused", over=True)])
    assert telling.title == "1,001 notices: 1,000 not fresh, 1 over"
    assert len(telling.body) < 2000
    assert telling.body.endswith("and 991 more: `syncd status` shows how things are now")


def test_no_secret_no_control_character_and_no_call_to_everybody_goes_out() -> None:
    conceal("hunter2-hunter2")
    text = clean("hunter2-hunter2 \x1b[31m\u202e @everyone @here <!channel> <@U123> ann@acme.example", 200)
    assert "hunter2" not in text
    assert not any(call in text for call in ("@everyone", "@here", "<!", "<@", "\x1b", "\u202e"))
    assert "ann@acme.example" in text
    assert clean("x" * 50, 10) == "x" * 9 + "…"


def test_attempts_become_rare_and_never_stop() -> None:
    assert [round(backoff(count, 0.5)) for count in (1, 2, 3, 8, 100)] == [5, 10, 20, 640, 900]
    assert backoff(1, 0.0) < backoff(1, 1.0)


@pytest.mark.parametrize(
    ("sent", "slot"), [([], 1000.0), ([999.0] * 9, 1000.0), ([900.0] * 10, 1500.0), ([1.0] * 10, 1000.0)]
)
def test_a_channel_gets_ten_messages_in_ten_minutes(sent: list[float], slot: float) -> None:
    assert next_slot(sent, 1000.0) == slot
