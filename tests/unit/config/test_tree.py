"""Strict YAML: what stays text, where things stand, what is refused at once."""

import time

import pytest

from syncd.config.tree import parse


def value_of(text: str) -> object:
    tree, problems = parse(f"a: {text}\n".encode(), "f.yaml")
    assert problems == []
    return tree.data["a"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None), ("~", None), ("null", None), ("true", True), ("FALSE", False), ("0", 0), ("-12", -12), ("+7", 7),
        ("1.5", 1.5), (".5", 0.5), ("1e3", 1000.0), ("-2.", -2.0),
        ("999999999999999999", 10**18 - 1), ("9999999999999999999", "9999999999999999999"),
        ("no", "no"), ("on", "on"), ("Yes", "Yes"), ("y", "y"), ("12:30:00", "12:30:00"), ("2024-01-01", "2024-01-01"),
        ("0x1F", "0x1F"), ("0o17", "0o17"), ("007", "007"), ("1_000", "1_000"), (".inf", ".inf"), (".nan", ".nan"),
        ("1e999", "1e999"), ("=", "="), ("'true'", "true"), ('"1"', "1"), ("25%", "25%"), ("15s", "15s"),
        ('"tab:\\t"', "tab:\t"),
    ],
)  # fmt: skip
def test_only_null_booleans_and_plain_numbers_are_more_than_text(text: str, value: object) -> None:
    found = value_of(text)
    assert (type(found), found) == (type(value), value)


def test_places_of_keys_and_values() -> None:
    tree, _ = parse(b"a:\n  b: [x, {c: 1}]\n", "f.yaml")
    assert tree.key_mark(("a", "b")) == (2, 3)
    assert tree.value_mark(("a", "b")) == (2, 6)
    assert tree.value_mark(("a", "b", 1, "c")) == (2, 14)
    assert tree.value_mark(("a", "b", 7, "c")) == (2, 6)
    assert tree.value_mark(("nowhere",)) == (1, 1)


def test_a_byte_order_mark_and_windows_line_ends_are_fine() -> None:
    tree, problems = parse(b"\xef\xbb\xbfa: 1\r\nb:\r\n  c: 2\r\n", "f.yaml")
    assert (tree.data, problems) == ({"a": 1, "b": {"c": 2}}, [])
    assert tree.key_mark(("b", "c")) == (3, 3)


def test_columns_count_characters_not_bytes() -> None:
    tree, _ = parse("{é: 1, b: 2}".encode(), "f.yaml")
    assert tree.key_mark(("b",)) == (1, 8)


@pytest.mark.parametrize(
    "text", ["[" * 500_000, "{a: " * 200_000, "- " * 400_000, "? " * 400_000, "[[" * 9 + "]]" * 9 + "\n" * 900_000]
)
def test_a_megabyte_of_nesting_costs_nothing(text: str) -> None:
    before = time.process_time()
    parse(text.encode(), "f.yaml")
    assert time.process_time() - before < 1


def test_a_bomb_is_refused_at_its_first_alias() -> None:
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30))]
    tree, problems = parse("\n".join(lines).encode(), "f.yaml")
    assert len(problems) == 30 + 29 * 9
    assert len(tree.data["a29"]) == 9
    assert all(isinstance(item, str) for item in tree.data["a29"])


def test_one_problem_does_not_hide_the_next() -> None:
    _, problems = parse(b"a: 1\na: 2\n1: x\n<<: {}\nb: !t 3\nc: *d\n", "f.yaml")
    assert [problem.line for problem in problems] == [2, 3, 4, 5, 6]
