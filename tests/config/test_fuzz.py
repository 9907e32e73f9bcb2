"""Nothing that stands in a folder makes the loader raise."""

import tempfile
from pathlib import Path

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncd.config.catalog import Catalog
from syncd.config.loader import load

GOOD = [path.read_bytes() for path in sorted(Path(__file__).with_name("good").iterdir())]
WORDS = ["version", "daemon", "connections", "syncs", "google", "shop", "acme", "settings", "streams", "region", "eu"]
WORDS += [
    "connector",
    "connection",
    "endpoints",
    "people",
    "listen",
    "schedule",
    "every",
    "cron",
    "max_delete",
    "${env:X}",
]
WORDS += [
    "accounts",
    "include",
    "login",
    "keys",
    "orders",
    "previous_name",
    "timezone",
    "store",
    "token",
    "notify",
    "limits",
]
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from(WORDS) | st.text()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS) | st.text(), inner, max_size=6),
    max_leaves=30,
)
relaxed = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def never_raises(content: bytes, catalog: Catalog) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.yaml").write_bytes(content)
        for check_values in (True, False):
            loaded = load(Path(folder), catalog, check_values=check_values)
            assert (loaded.config is None) == bool(loaded.problems)
            for problem in loaded.problems:
                assert problem.message
                assert "\n" not in str(problem).replace("\n  hint: ", "")


@relaxed
@given(st.binary(max_size=400))
def test_any_bytes(catalog: Catalog, content: bytes) -> None:
    never_raises(content, catalog)


@relaxed
@given(st.text(alphabet="{}[]:,-?&*!|>'\"%@`# \n\tab1${}", max_size=120))
def test_any_punctuation(catalog: Catalog, content: str) -> None:
    never_raises(content.encode(), catalog)


@relaxed
@given(st.dictionaries(st.sampled_from(WORDS[:4]), values))
def test_any_tree(catalog: Catalog, tree: dict) -> None:
    never_raises(yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "surrogatepass"), catalog)


@relaxed
@given(
    st.sampled_from(GOOD),
    st.integers(0),
    st.integers(0, 40),
    st.binary(max_size=20) | st.sampled_from([w.encode() for w in WORDS]),
)
def test_any_change_of_a_good_file(catalog: Catalog, good: bytes, start: int, length: int, new: bytes) -> None:
    start %= len(good)
    never_raises(good[:start] + new + good[start + length :], catalog)
