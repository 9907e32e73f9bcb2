"""Paths into an item's JSON."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.sdk.paths import steps_of


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("etag", ("etag",)),
        ("a.b.c", ("a", "b", "c")),
        ("metadata.sources.*.etag", ("metadata", "sources", "*", "etag")),
        (r"@odata\.etag", ("@odata.etag",)),
        (r"a.@odata\.etag.b", ("a", "@odata.etag", "b")),
        (r"a\\.b", ("a\\", "b")),
        (r"a\b", ("a\\b",)),
        ("a\\", ("a\\",)),
        ("a.", ("a", "")),
        ("", ("",)),
    ],
)
def test_a_dot_separates_unless_a_backslash_is_before_it(path: str, steps: tuple[str, ...]) -> None:
    assert steps_of(path) == steps


@given(st.lists(st.text(), min_size=1))
def test_any_key_can_be_written(keys: list[str]) -> None:
    written = ".".join(key.replace("\\", r"\\").replace(".", r"\.") for key in keys)
    assert steps_of(written) == tuple(keys)
