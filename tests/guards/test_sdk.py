"""The promise of API version 1: what connectors rely on stays, what comes is noted, and the reference says what is so."""

import pytest

import syncd.sdk
from tests.guards import sdk_page, sdk_surface
from tests.guards.sdk_surface import NOTES, ROOT, problems, read, surface, unnoted, whole

BEFORE = {
    "Stream": "class(ABC)",
    "Stream.get": "async -> None",
    "Stream.get(ctx)": "1: Context",
    "Limits": "class()",
    "Limits.concurrency": "0: int = 16",
    "redact": "-> str",
    "redact(text)": "0: str",
    "Vault": "class(Protocol)",
    "AuthFailed.next": "Next.PAUSE",
}


def test_the_public_surface_is_the_one_that_is_kept() -> None:
    now, kept = surface(), whole(read())
    assert problems(kept, now) == []
    new = sorted(now.keys() - kept.keys())
    assert not new, f"run: python -m tests.guards.sdk_surface, then note in docs/sdk-changes.md: {new}"
    assert syncd.sdk.API_VERSION == 1


def test_every_addition_has_its_note() -> None:
    assert unnoted(read(), NOTES.read_text()) == []


def test_the_reference_is_up_to_date() -> None:
    page = (ROOT / "docs/sdk.md").read_text()
    assert page == sdk_page.page(), "run: python -m tests.guards.sdk_page > docs/sdk.md"


def test_every_public_name_of_the_reference_says_what_it_is_for() -> None:
    silent = [
        name
        for name, node in sdk_surface.definitions()
        if isinstance(node, sdk_surface.ast.ClassDef | sdk_surface.Function) and not sdk_surface.ast.get_docstring(node)
    ]
    assert silent == []


@pytest.mark.parametrize("name", list(BEFORE))
def test_nothing_may_go(name: str) -> None:
    now = {key: what for key, what in BEFORE.items() if key != name}
    assert problems(BEFORE, now) == [f"{name} is gone"]


@pytest.mark.parametrize("name", list(BEFORE))
def test_nothing_may_change(name: str) -> None:
    assert len(problems(BEFORE, {**BEFORE, name: "other"})) == 1


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("Stream.get(ids)", "keyword: int = 0"),
        ("Stream.must", "@abstractmethod -> None"),
        ("Limits.more", "1: int"),
        ("redact(more)", "1: str"),
        ("Vault.drop", "-> None"),
    ],
)
def test_nothing_new_may_ask_more_of_connectors(name: str, what: str) -> None:
    assert len(problems(BEFORE, {**BEFORE, name: what})) == 1


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("Stream.may", "-> None"),
        ("Limits.more", "1: int = 0"),
        ("redact(more)", "keyword: str = ''"),
        ("Novelty", "class(ABC)"),
        ("Novelty.must", "@abstractmethod -> None"),
    ],
)
def test_what_asks_nothing_may_come_but_not_without_a_note(name: str, what: str) -> None:
    assert problems(BEFORE, {**BEFORE, name: what}) == []
    kept = {"1.0": BEFORE, "1.1": {name: what}}
    short = name.partition("(")[0]
    assert unnoted(kept, "# Changes\n\n## 1.0\n\nThe beginning.\n") == [
        "there is no heading ## 1.1",
        f"1.1 does not name `{short}`",
    ]
    assert unnoted(kept, f"# Changes\n\n## 1.1 (2027)\n\n`{short}` is new.\n\n## 1.0\n\nThe beginning.\n") == []


def test_the_surface_holds_what_matters() -> None:
    now = surface()
    assert now["AuthFailed.next"] == "Next.PAUSE"
    assert now["Limits.concurrency"] == "1: int = 16"
    assert now["Record.__init__(partial)"] == "keyword: bool = False"
    assert now["Scan.FULL"] == "'full'"
    assert now["SWEEP"] == "Deletes.SWEEP"
    assert {name.partition(".")[0].partition("(")[0] for name in now} == set(syncd.sdk.__all__)
