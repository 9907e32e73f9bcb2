"""MALFORMED: distinct forms, made from any JSON answer, the same for the same seed."""

import json
import random

from syncd.testing import MALFORMED
from syncd.testing.jsontree import MISSING, load, strict_problem, without
from syncd.testing.malformed import Shape, garble

BODY = json.dumps(
    {
        "notes": [{"id": "a", "title": "x", "n": 1, "more": {"y": "z"}}, {"id": "b", "title": "x", "n": 2}],
        "nextPageToken": "q",
    }
).encode()


def shape(seed: int = 0) -> Shape:
    return Shape(frozenset("ab"), random.Random(seed))


def test_there_are_many_forms_and_each_is_another_answer() -> None:
    made = {name: form.make(BODY, shape()) for name, form in MALFORMED.items()}
    assert len(made) >= 60
    changed = [body for name, body in made.items() if body is not None and not MALFORMED[name].endless]
    assert len(set(changed)) >= 60
    assert BODY not in changed


def test_the_same_seed_makes_the_same_answer() -> None:
    for form in MALFORMED.values():
        assert form.make(BODY, shape(5)) == form.make(BODY, shape(5)), form.name


def test_ids_are_found_wherever_they_stand() -> None:
    body = load(MALFORMED["an id is null"].make(b'{"x": {"y": [{"key": "a"}]}}', shape()) or b"")
    assert body == {"x": {"y": [{"key": None}]}}


def test_what_does_not_fit_is_left_out() -> None:
    assert MALFORMED["the list is null"].make(b'{"a": 1}', shape()) is None
    assert MALFORMED["an id is null"].make(b"not json", shape()) is None


def test_one_part_of_a_batch_is_garbled() -> None:
    part = b'Content-Type: application/json\r\n\r\n{"id": "a"}\r\n'
    batch = b"--x\r\n" + part + b"--x\r\n" + part + b"--x--\r\n"
    made = garble(batch, MALFORMED["an id is a number"], shape(), "multipart/mixed; boundary=x")
    assert made is not None
    assert (made.count(b'{"id": "a"}'), made.count(b'{"id":12345}')) == (1, 1)
    assert made.endswith(b"--x--\r\n")


def test_volatile_paths_are_left_out() -> None:
    tree = {"etag": 1, "sources": [{"etag": 2, "id": 3}], "keys": {"a": {"t": 1}, "b": {"t": 2, "u": 3}}}
    assert without(tree, ["etag", "sources.*.etag", "keys.*.t"]) == {
        "sources": [{"id": 3}],
        "keys": {"a": {}, "b": {"u": 3}},
    }


def test_strict_json_says_where_it_is_broken() -> None:
    assert strict_problem({"a": [1, "ü", None, 1.5]}) is None
    assert ".a[1]" in (strict_problem({"a": [1, float("nan")]}) or "")
    assert "Unicode" in (strict_problem({"a": "\ud800"}) or "")
    assert "bytes" in (strict_problem({"a": b""}) or "")
    assert "key" in (strict_problem({1: 2}) or "")
    assert load(b"{") is MISSING
