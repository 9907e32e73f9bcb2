"""Looking at records: the search index, listings that are bounded, one record whole."""

from typing import Any

import pytest

from syncd.sdk import Record
from syncd.store import Wanted
from syncd.store.database import Tx
from syncd.store.search import words_of


def names(listing: Any) -> list[str]:
    return [row["title"] for row in listing.rows]


def person(key: str, name: str, **more: Any) -> Record:
    return Record(key, {"id": key, "name": name, **more}, summary={"name": name, "emails": [f"{key}@acme.example"]})


def index(desk: Any) -> None:
    while desk.run(desk.store.index_some()):
        pass


def look(desk: Any, text: str = "", **more: Any) -> Any:
    wanted = Wanted(**{"connection": "acme", "stream": "contacts", **more}, text=text)
    return desk.run(desk.store.browse(wanted))


@pytest.fixture
def people(desk: Any) -> Any:
    desk.full(desk.part(), person("ann", "Ann Miller"), person("bea", "Béatrice Müller"), person("cem", "Cem Öz"))
    index(desk)
    return desk


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("miller", ["Ann Miller"]),
        ("mull", ["Béatrice Müller"]),
        ("beatrice", ["Béatrice Müller"]),
        ("cem@acme.example", ["Cem Öz"]),
        ("acme ann", ["Ann Miller"]),
        ("acme", ["Cem Öz", "Béatrice Müller", "Ann Miller"]),
        ("nobody", []),
    ],
)
def test_words_are_found_by_their_beginnings_and_without_accents(people: Any, text: str, expected: list[str]) -> None:
    assert names(look(people, text)) == expected


@pytest.mark.parametrize(
    "text", ['"', "a\" OR words MATCH '", "NEAR(a b)", "*", "\ue000s1", "ﬁne ǆ ½ ſ ㍿ 𝔸", "a\0b", "- ( )", "AND"]
)
def test_no_text_that_a_person_types_breaks_the_search(people: Any, text: str) -> None:
    look(people, text)


@pytest.mark.parametrize("keys", [()], ids=["clear"])
def test_the_index_follows_changes_and_deletions(people: Any) -> None:
    assert people.run(people.store.searchable())
    people.next_run()
    people.full(people.part(), person("ann", "Ann Smith"), person("cem", "Cem Öz"))
    people.settle()
    assert not people.run(people.store.searchable())
    index(people)
    assert people.run(people.store.searchable())
    assert names(look(people, "miller")) == []
    assert names(look(people, "smith")) == ["Ann Smith"]
    assert names(look(people, "beatrice")) == []


@pytest.mark.parametrize("keys", [()], ids=["clear"])
def test_a_lost_index_is_built_again(people: Any) -> None:
    for file in people.folder.glob("search.db*"):
        file.unlink()
    assert names(look(people, "miller")) == []
    assert not people.run(people.store.searchable())
    index(people)
    assert names(look(people, "miller")) == ["Ann Miller"]


def test_a_damaged_index_finds_nothing_and_is_built_again(people: Any) -> None:
    if not people.store.indexed:
        pytest.skip("with encryption keys there is no index")
    for file in people.folder.glob("search.db*"):
        file.write_bytes(b"this is no database, though it is long enough to be taken for one" * 100)
    assert names(look(people, "miller")) == []
    assert not people.run(people.store.searchable())
    index(people)
    assert names(look(people, "miller")) == ["Ann Miller"]


def test_a_database_from_a_backup_is_indexed_anew(people: Any) -> None:
    people.store.close()
    saved = {file: file.read_bytes() for file in people.folder.glob("syncd.db*")}
    people.reopen()
    people.next_run()
    people.delta(people.part(), person("ann", "Ann Smith"))
    index(people)
    people.store.close()
    for file in people.folder.glob("syncd.db*"):
        file.unlink()
    for file, content in saved.items():
        file.write_bytes(content)
    people.reopen()
    index(people)
    assert names(look(people, "miller")) == ["Ann Miller"]
    assert names(look(people, "smith")) == []


def test_an_account_sees_its_own_records_only(people: Any) -> None:
    other = people.parts("", account=people.bob)[0]
    people.full(other, person("dan", "Dan Miller"))
    index(people)
    assert names(look(people, "miller")) == ["Dan Miller", "Ann Miller"]
    assert names(look(people, "miller", account="bob@acme.example")) == ["Dan Miller"]
    assert names(look(people, account="bob@acme.example")) == ["Dan Miller"]
    assert names(look(people, account="nobody@acme.example")) == []


def test_every_record_is_on_exactly_one_page(desk: Any) -> None:
    desk.full(desk.part(), *(person(f"k{n:03}", f"Person {n:03}") for n in range(120)))
    index(desk)
    for text in ("", "person"):
        found: list[str] = []
        before: int | None = None
        while True:
            page = look(desk, text, before=before, limit=50)
            found += names(page)
            before = page.older
            if before is None:
                break
        assert found == [f"Person {n:03}" for n in reversed(range(120))]


def test_tombstones_are_listed_and_searched_apart(people: Any) -> None:
    people.next_run()
    people.full(people.part(), person("ann", "Ann Miller"))
    people.settle()
    index(people)
    assert names(look(people)) == ["Ann Miller"]
    assert sorted(names(look(people, deleted=True))) == ["Béatrice Müller", "Cem Öz"]
    assert names(look(people, "cem", deleted=True)) == ["Cem Öz"]


def test_one_record_shows_its_payload_and_its_versions(people: Any) -> None:
    people.next_run()
    people.delta(people.part(), person("ann", "Ann Smith"))
    key = look(people, account="ann@acme.example").rows[0]["id"]
    view = people.run(people.store.record_view(key))
    assert (view["data"]["name"], view["version"]) == ("Ann Smith", 2)
    assert [one["summary"]["name"] for one in view["versions"]] == ["Ann Miller"]
    assert people.run(people.store.record_view(10**9)) is None


def test_a_word_is_cut_where_the_index_cuts() -> None:
    assert words_of("Ann.Miller@acme.example, it's") == ["Ann", "Miller", "acme", "example", "it", "s"]


def test_the_numbers_of_a_thousand_syncs_cost_a_few_statements(people: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    rows = Tx.rows

    def counted(tx: Tx, sql: str, parameters: Any = ()) -> Any:
        asked.append(sql)
        return rows(tx, sql, parameters)

    monkeypatch.setattr(Tx, "rows", counted)
    wanted = [("acme", f"stream-{n}") for n in range(999)] + [("acme", "contacts")]
    found = people.run(people.store.numbers(wanted))
    running, over = people.run(people.store.latest_runs(["all", *(f"sync-{n}" for n in range(999))]))
    assert [(one.stream, one.records) for one in found if one.records] == [("contacts", 3)]
    assert (running, over) == ({"all": people.number}, {})
    assert len(asked) < 10
