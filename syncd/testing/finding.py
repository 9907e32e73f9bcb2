"""Which connector, and which source for it: what an author need not type.

Public: Subject (a connector and how its sources are made), find, NotFound.

A connector is named by its installed name (`notes`), by a module (`syncd_notes`), by a module and a class
(`syncd_notes:NotesConnector`), or by a file (`notes.py`). Its source is named in the same way, or found: the entry
point of that name in the group `syncd.sources`, else a file `*_source.py` beside the work or in `tests/`, in the current
folder or in the connector's project.
"""

import contextlib
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from syncd.sdk import Connector

from .bench import Case
from .source import Source

__all__ = ["CONNECTORS", "SOURCES", "NotFound", "Subject", "find"]

CONNECTORS, SOURCES = "syncd.connectors", "syncd.sources"
ABILITIES = ("accounts", "truth", "change")


class NotFound(Exception):
    """No connector or no source is meant by that; `hint` says what to type."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Subject:
    """What is under test. `make(seed=…)` or `make(seed=…, stream=…)` gives a source, or a context manager of one."""

    connector: Connector
    make: Callable[..., Any]
    folder: Path

    @property
    def knows_streams(self) -> bool:
        """Whether a source can be asked for any of the connector's streams."""
        return "stream" in inspect.signature(self.make).parameters

    def source(self, seed: int, stream: str) -> Source | AbstractContextManager[Source]:
        names = inspect.signature(self.make).parameters
        more = {"stream": stream} if "stream" in names else {}
        made: Source = self.make(seed=seed, **more) if "seed" in names else self.make(seed, **more)
        return made

    def case(self, stream: str, idle_requests: int = 1) -> Case:
        return Case(self.connector, stream, lambda seed: self.source(seed, stream), idle_requests)

    def streams(self) -> list[str]:
        """The connector's streams, as the source's settings configure it."""
        first = "" if self.connector.can_be_configured else self.connector.streams()[0].info.name
        made = self.source(0, first)
        with made if isinstance(made, AbstractContextManager) else contextlib.nullcontext(made) as source:
            return [stream.info.name for stream in self.connector.configured(source.settings).streams()]


def find(target: str, source: str | None = None) -> Subject:
    """The connector that `target` means, and its source."""
    connector, module = _connector(target)
    file = getattr(module, "__file__", None)
    folder = Path(file).resolve().parent if file else Path.cwd()
    return Subject(connector, _source(source, connector.info.name, folder), folder)


# -- the connector ---------------------------------------------------------------------------------------------------


def _connector(target: str) -> tuple[Connector, ModuleType]:
    for entry in entry_points(group=CONNECTORS, name=target):
        return _installed(entry.load(), target), importlib.import_module(entry.module)
    module, name = _imported(target, "connector")
    if name:
        return _as_connector(_member(module, name), target), module
    own = [made for made in _own(module) if isinstance(made, type) and issubclass(made, Connector)]
    found = [made for made in own if not inspect.isabstract(made)]
    if len(found) != 1:
        names = ", ".join(made.__name__ for made in found) or "none"
        raise NotFound(f"{target} must have one Connector class; it has {names}", f"name one: {target}:Class")
    return found[0](), module


def _installed(loaded: object, name: str) -> Connector:
    """What an entry point gives: a connector, or an object with the hook that brings some."""
    plugin: Any = loaded() if isinstance(loaded, type) else loaded
    if not hasattr(plugin, "syncd_connectors"):
        return _as_connector(plugin, name)
    brought: Sequence[Connector] = plugin.syncd_connectors()
    for connector in brought:
        if connector.info.name == name:
            return connector
    raise NotFound(f"the plugin {name} brings no connector of that name", "name its module and class")


def _as_connector(found: object, target: str) -> Connector:
    made = found() if isinstance(found, type) else found
    if not isinstance(made, Connector):
        raise NotFound(f"{target} is a {type(made).__name__}, not a Connector", "name a class: MODULE:Class")
    return made


# -- its source --------------------------------------------------------------------------------------------------------


def _source(given: str | None, connector: str, folder: Path) -> Callable[..., Any]:
    if given is not None:
        return _maker(given)
    for entry in entry_points(group=SOURCES, name=connector):
        found: Callable[..., Any] = entry.load()
        return found
    return _maker(str(_source_file(connector, folder)))


def _source_file(connector: str, folder: Path) -> Path:
    files = sorted({file.resolve() for place in _places(folder) for file in place.glob("*_source.py")})
    plain = connector.replace("-", "_")
    named = [file for file in files if file.stem in (f"{plain}_source", f"{folder.name}_source")] or files
    if len(named) == 1:
        return named[0]
    if not named:
        raise NotFound(
            f"no source for {connector} is found: a small provider for it to read (syncd/testing/source.py tells which)",
            f"write tests/{plain}_source.py, or name one with --source MODULE:Class",
        )
    raise NotFound(
        f"several files may be the source of {connector}: {', '.join(file.name for file in named)}",
        "name one with --source FILE",
    )


def _places(folder: Path) -> Iterator[Path]:
    """Where a source may lie: here, in the connector's folder, and in their `tests`."""
    project = next((near for near in (folder, *folder.parents) if (near / "pyproject.toml").is_file()), folder)
    for place in (Path.cwd(), folder, project):
        yield place
        yield place / "tests"


def _maker(target: str) -> Callable[..., Any]:
    module, name = _imported(target, "source")
    if name:
        found: Callable[..., Any] = _member(module, name)
        return found
    own = [made for made in _own(module) if isinstance(made, type)]
    sources = [made for made in own if all(callable(getattr(made, ability, None)) for ability in ABILITIES)]
    if len(sources) != 1:
        names = ", ".join(made.__name__ for made in sources) or "none"
        what = f"{target} must have one class with {', '.join(ABILITIES)}; it has {names}"
        raise NotFound(what, f"name one with --source {target}:Class")
    return sources[0]


# -- modules -----------------------------------------------------------------------------------------------------------


def _imported(target: str, what: str) -> tuple[ModuleType, str]:
    """The module or file that is meant, and the name behind the colon."""
    place, _, name = target.partition(":")
    if place.endswith(".py"):
        file = Path(place)
        if not file.is_file():
            raise NotFound(f"there is no file {place}", f"name the {what} by MODULE:Class, or by its file")
        sys.path.insert(0, str(file.resolve().parent))
        place = file.stem
    try:
        return importlib.import_module(place), name
    except ModuleNotFoundError as error:
        if error.name is None or not (place == error.name or place.startswith(f"{error.name}.")):
            raise
        hint = "install it, go to its folder, or name its file (*.py); `syncd connectors` lists what is installed"
        raise NotFound(f"no module and no installed {what} is named {place!r}", hint) from error


def _member(module: ModuleType, name: str) -> Any:
    found = getattr(module, name, None)
    if found is None:
        raise NotFound(f"{module.__name__} has no {name}", f"it has: {', '.join(_shown(module))}")
    return found


def _own(module: ModuleType) -> list[object]:
    """What a module shows as its own: names in `__all__`, else what it (or its package) defines."""
    if hasattr(module, "__all__"):
        return [getattr(module, name) for name in module.__all__]
    inside = (module.__name__, f"{module.__name__}.")
    values = vars(module).values()
    return [
        one
        for one in values
        if (home := getattr(one, "__module__", "")) == inside[0] or str(home).startswith(inside[1])
    ]


def _shown(module: ModuleType) -> list[str]:
    return [name for name in vars(module) if not name.startswith("_")][:12]
