"""An author names little: the connector by name, module, class or file; the source is found beside it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncd.testing.finding import NotFound, find
from syncd.testing.notes import NotesSource
from syncd.testing.notes_connector import NotesConnector

MODEL, SOURCE = "syncd.testing.notes_connector", "syncd.testing.notes:NotesSource"
PLUGIN = "from syncd.testing.notes_connector import NotesConnector\nclass {name}(NotesConnector):\n    pass\n"
OWN_SOURCE = "from syncd.testing.notes import NotesSource\nclass {name}(NotesSource):\n    pass\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current folder; what is imported from it is forgotten."""
    before = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.mark.parametrize("target", [MODEL, f"{MODEL}:NotesConnector"])
def test_a_connector_is_named_by_its_module_or_its_class(target: str) -> None:
    subject = find(target, SOURCE)
    assert isinstance(subject.connector, NotesConnector)
    assert subject.streams() == ["notes", "tags"]
    assert subject.knows_streams


def test_an_installed_connector_is_named_by_its_name() -> None:
    assert find("google", SOURCE).connector.info.name == "google"


def test_a_file_is_enough(folder: Path) -> None:
    (folder / "plug_a.py").write_text(PLUGIN.format(name="Plug"))
    subject = find("plug_a.py", SOURCE)
    assert type(subject.connector).__name__ == "Plug"
    assert subject.folder == folder


@pytest.mark.parametrize("place", ["notes_source.py", "tests/notes_source.py", "tests/other_source.py"])
def test_the_source_is_found_beside_the_connector(folder: Path, place: str) -> None:
    (folder / "plug_b.py").write_text(PLUGIN.format(name="Plug"))
    file = folder / place
    file.parent.mkdir(exist_ok=True)
    file.write_text(OWN_SOURCE.format(name="Mine"))
    made = find("plug_b").source(3, "tags")
    assert isinstance(made, NotesSource)
    assert (type(made).__name__, made.stream) == ("Mine", "tags")


def test_the_file_of_the_connectors_name_goes_before_others(folder: Path) -> None:
    (folder / "plug_c.py").write_text(PLUGIN.format(name="Plug"))
    (folder / "notes_source.py").write_text(OWN_SOURCE.format(name="Right"))
    (folder / "other_source.py").write_text(OWN_SOURCE.format(name="Wrong"))
    assert type(find("plug_c").source(0, "notes")).__name__ == "Right"


def test_a_source_that_is_installed_is_found_by_its_entry_point(folder: Path) -> None:
    info = folder / "plug-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plug\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[syncd.sources]\nnotes = {SOURCE}\n")
    (folder / "plug_d.py").write_text(PLUGIN.format(name="Plug"))
    assert isinstance(find("plug_d").source(0, "notes"), NotesSource)


NOTHING = [
    ("nowhere_at_all", "no module and no installed connector", "syncd connectors"),
    ("nowhere.py", "no file nowhere.py", "MODULE:Class"),
    ("plug_e:Missing", "has no Missing", "NotesConnector"),
    ("plug_e:VALUE", "is a int, not a Connector", "name a class"),
    ("plug_two", "it has One, Two", "plug_two:Class"),
    ("plug_e", "no source for notes is found", "tests/notes_source.py"),
]


@pytest.mark.parametrize(("target", "message", "hint"), NOTHING)
def test_what_is_not_found_is_told_with_what_to_type(folder: Path, target: str, message: str, hint: str) -> None:
    (folder / "plug_e.py").write_text(PLUGIN.format(name="Plug") + "VALUE = 1\n")
    (folder / "plug_two.py").write_text(PLUGIN.format(name="One") + PLUGIN.format(name="Two"))
    with pytest.raises(NotFound, match=message) as caught:
        find(target)
    assert hint in caught.value.hint


def test_several_sources_are_named_and_none_is_guessed(folder: Path) -> None:
    (folder / "plug_f.py").write_text(PLUGIN.format(name="Plug"))
    for name in ("a_source.py", "b_source.py"):
        (folder / name).write_text(OWN_SOURCE.format(name="Mine"))
    with pytest.raises(NotFound, match=r"a_source\.py, b_source\.py"):
        find("plug_f")


def test_a_module_that_lacks_something_else_says_so(folder: Path) -> None:
    (folder / "plug_g.py").write_text("import no_such_dependency\n")
    with pytest.raises(ModuleNotFoundError, match="no_such_dependency"):
        find("plug_g")
