"""The watcher: rules as tables, debounce by numbers, and real folders with short waits."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from syncd.config.watch import Debounce, FolderWatcher, fingerprint, relevant


@pytest.mark.parametrize(
    ("kind", "paths", "expected"),
    [
        ("modified", ["a.yaml"], True),
        ("created", ["team/a.yml"], True),
        ("deleted", ["a.yaml"], True),
        ("closed", ["a.yaml"], True),
        ("moved", [".a.yaml.swp", "a.yaml"], True),  # an editor's write and rename
        ("moved", ["a.yaml", "a.yaml~"], True),
        ("moved", ["a.tmp", "b.tmp"], False),
        ("moved", ["..data_tmp", "..data"], True),  # a ConfigMap's swap
        ("created", ["..2026_11_21"], False),
        ("created", ["..2026_11_21/a.yaml"], False),
        ("deleted", ["team"], True),  # a folder goes with all its files
        ("opened", ["a.yaml"], False),
        ("closed_no_write", ["a.yaml"], False),
        ("modified", [".a.yaml.swp"], False),
        ("modified", [".a.yaml.swx"], False),
        ("created", ["4913"], False),
        ("created", [".#a.yaml"], False),
        ("created", ["#a.yaml#"], False),
        ("created", ["a.yaml~"], False),
        ("created", ["a.yaml.tmp"], False),
        ("created", ["a.yaml.bak"], False),
        ("created", [".git/index.lock"], False),
        ("modified", [".git/a.yaml"], False),
        ("modified", ["team/.a.yaml.swp"], False),
        ("modified", ["."], False),
        ("modified", [], False),
    ],
)
def test_which_events_are_worth_a_look(kind: str, paths: list[str], expected: bool) -> None:
    assert relevant(kind, *paths) is expected


def test_a_burst_is_over_after_quiet_or_at_the_latest() -> None:
    debounce = Debounce(quiet=0.5, longest=2.0)
    assert debounce.wait(10.0) is None
    debounce.note(10.0)
    assert debounce.wait(10.0) == 0.5
    debounce.note(10.4)
    assert debounce.wait(10.4) == pytest.approx(0.5)
    for tenth in range(4, 20):
        debounce.note(10 + tenth / 10)
    assert debounce.wait(11.9) == pytest.approx(0.1)  # 10.0 + 2.0, not 11.9 + 0.5
    assert debounce.wait(12.0) == 0.0
    debounce.reset()
    assert debounce.wait(12.0) is None


def test_the_fingerprint_is_of_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("x")
    first = fingerprint(tmp_path)
    os.utime(tmp_path / "a.yaml", (1, 1))
    (tmp_path / "a.yaml.swp").write_text("x")
    (tmp_path / "b.txt").write_text("x")
    assert fingerprint(tmp_path) == first
    (tmp_path / "a.yaml").rename(tmp_path / "b.yaml")
    renamed = fingerprint(tmp_path)
    (tmp_path / "b.yaml").write_text("y")
    assert len({first, renamed, fingerprint(tmp_path), fingerprint(tmp_path / "no")}) == 4
    assert fingerprint(tmp_path / "no") == ""


class Watched:
    """A folder under watch; `changed` waits for a call, `quiet` makes sure that none comes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls = threading.Semaphore(0)
        self.threads: set[str] = set()
        self.watcher = FolderWatcher(folder, self._on_change, quiet=0.05, longest=0.5, look_round=60.0)

    def _on_change(self) -> None:
        self.threads.add(threading.current_thread().name)
        self.calls.release()

    def changed(self) -> bool:
        return self.calls.acquire(timeout=10)

    def quiet(self) -> bool:
        return not self.calls.acquire(timeout=0.3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "a.yaml").write_text("version: 1\n")
    return folder


@pytest.fixture
def watched(folder: Path) -> Iterator[Watched]:
    watched = Watched(folder)
    watched.watcher.start()
    yield watched
    watched.watcher.stop()


def write(folder: Path) -> None:
    (folder / "a.yaml").write_text("version: 1 # new\n")


def replace_atomically(folder: Path) -> None:
    (folder / ".a.yaml.swp").write_text("version: 1 # new\n")
    (folder / ".a.yaml.swp").rename(folder / "a.yaml")


def add_in_a_new_folder(folder: Path) -> None:
    (folder / "team/deep").mkdir(parents=True)
    (folder / "team/deep/b.yaml").write_text("version: 1\n")


def remove(folder: Path) -> None:
    (folder / "a.yaml").unlink()


def move_out(folder: Path) -> None:
    (folder / "a.yaml").rename(folder.parent / "a.yaml")


def replace_the_folder(folder: Path) -> None:
    shutil.copytree(folder, folder.with_name("next"))
    (folder.with_name("next") / "a.yaml").write_text("version: 1 # next\n")
    folder.rename(folder.with_name("previous"))
    folder.with_name("next").rename(folder)


CHANGES: list[Callable[[Path], None]] = [
    write,
    replace_atomically,
    add_in_a_new_folder,
    remove,
    move_out,
    replace_the_folder,
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_told_once(change: Callable[[Path], None], watched: Watched) -> None:
    change(watched.folder)
    assert watched.changed()
    assert watched.quiet()
    assert watched.threads == {"syncd-config-watch"}


def test_touching_reading_and_droppings_tell_nothing(watched: Watched) -> None:
    file = watched.folder / "a.yaml"
    file.touch()
    file.read_text()
    file.write_text(file.read_text())
    for name in (".a.yaml.swp", "4913", ".#a.yaml", "#a.yaml#", "a.yaml~", "a.yaml.tmp"):
        (watched.folder / name).write_text("x")
    assert watched.quiet()


def test_a_checkout_of_many_files_is_told_once(watched: Watched) -> None:
    for number in range(200):
        (watched.folder / f"{number}.yaml").write_text("version: 1\n")
    assert watched.changed()
    assert watched.quiet()


def test_a_configmap_swap(tmp_path: Path) -> None:
    folder = tmp_path / "config"
    for version in ("1", "2"):
        (folder / f"..{version}").mkdir(parents=True)
        (folder / f"..{version}/a.yaml").write_text(f"version: 1 # {version}\n")
    (folder / "..data").symlink_to("..1")
    (folder / "a.yaml").symlink_to("..data/a.yaml")
    watched = Watched(folder)
    watched.watcher.start()
    (folder / "..data_tmp").symlink_to("..2")
    (folder / "..data_tmp").rename(folder / "..data")
    assert watched.changed()
    assert watched.quiet()
    watched.watcher.stop()


def test_a_folder_that_is_a_link_pointed_elsewhere(tmp_path: Path) -> None:
    for version in ("1", "2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "a.yaml").write_text(f"version: 1 # {version}\n")
    (tmp_path / "config").symlink_to("1")
    watched = Watched(tmp_path / "config")
    watched.watcher.start()
    (tmp_path / "new").symlink_to("2")
    (tmp_path / "new").rename(tmp_path / "config")
    assert watched.changed()
    (tmp_path / "2/a.yaml").write_text("version: 1 # 3\n")  # the new folder is under watch now
    assert watched.changed()
    watched.watcher.stop()


def test_a_folder_that_vanishes_and_comes_back(watched: Watched) -> None:
    shutil.rmtree(watched.folder)
    assert watched.changed()
    watched.folder.mkdir()
    write(watched.folder)
    assert watched.changed()
    (watched.folder / "b.yaml").write_text("version: 1\n")
    assert watched.changed()


def test_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "config")
    watched.watcher.start()
    (tmp_path / "config").mkdir()
    (tmp_path / "config/a.yaml").write_text("version: 1\n")
    assert watched.changed()
    watched.watcher.stop()


def test_what_on_change_raises_does_not_end_the_watch(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    calls = threading.Semaphore(0)

    def fail() -> None:
        calls.release()
        raise RuntimeError("no")

    watcher = FolderWatcher(folder, fail, quiet=0.05)
    watcher.start()
    (folder / "a.yaml").write_text("version: 1 # 1\n")
    assert calls.acquire(timeout=10)
    (folder / "a.yaml").write_text("version: 1 # 2\n")
    assert calls.acquire(timeout=10)
    watcher.stop()
    assert "reloading the configuration failed" in caplog.text


def test_the_look_round_finds_what_gives_no_events(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/b.yaml").write_text("version: 1\n")
    (folder / "b.yaml").symlink_to(tmp_path / "elsewhere/b.yaml")
    changed = threading.Event()
    watcher = FolderWatcher(folder, changed.set, look_round=0.1)
    watcher.start()
    (tmp_path / "elsewhere/b.yaml").write_text("version: 1 # new\n")
    assert changed.wait(10)
    watcher.stop()


def test_stopping_twice_or_before_the_start_is_harmless(folder: Path) -> None:
    watcher = FolderWatcher(folder, lambda: None)
    watcher.stop()
    watcher = FolderWatcher(folder, lambda: None)
    watcher.start()
    watcher.stop()
    watcher.stop()
