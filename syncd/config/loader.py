"""The folder → Config, or every problem of all files at once.

Public: load, Loaded.

    loaded = load(Path("/etc/syncd"), Catalog.of(connectors))
    if loaded.config is None:
        for problem in loaded.problems:
            print(problem)          # file:line:column: message, and a hint on a line of its own

An order of steps: read each file strictly (`tree`), replace references (`resolve`), check each file against the contract
(`core`, `checker`), put the files together (`merge`), check names, claims, settings and options (`semantics`), build the model.
A step's problems do not keep the later ones from looking.
"""

from dataclasses import dataclass
from pathlib import Path

from .build import build
from .catalog import Catalog
from .checker import Checker
from .files import Unreadable, find, read
from .merge import merge
from .model import Config
from .problem import Problem
from .resolve import resolve
from .semantics import check
from .tree import Tree, parse
from .values import Sources

__all__ = ["Loaded", "load"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """`config` is None exactly when there are problems; they are sorted by file, line and column."""

    config: Config | None
    problems: list[Problem]
    files: tuple[str, ...] = ()


def load(folder: Path, catalog: Catalog, *, check_values: bool = True) -> Loaded:
    """Read the folder. Never raises for anything that stands in it.

    `check_values=False` reads nothing outside the folder (`syncd validate`): see `resolve` for what that leaves out.
    Such a Config is for showing, not for running.
    """
    folder = Path(folder)
    trees, problems = _read(folder)
    checker = Checker(catalog)
    for tree in trees:
        sources = Sources(Path(tree.file).parent, catalog.schemes)
        problems += resolve(tree, sources, catalog, check_values=check_values)
        problems += _contract(tree, checker)
    merged = merge(trees)
    problems += merged.problems + check(merged, catalog, checker)
    config = None if problems else build(merged, str(folder))
    return Loaded(config, sorted(set(problems)), tuple(tree.file for tree in trees))


def _read(folder: Path) -> tuple[list[Tree], list[Problem]]:
    """Each file's tree, and what is wrong with files and folder as such."""
    try:
        paths = find(folder)
    except OSError as error:
        return [], [_folder_problem(folder, error)]
    trees: list[Tree] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            tree, found = parse(read(path), str(path))
        except Unreadable as error:
            tree, found = Tree(str(path), whole=False), [Problem(str(path), 1, 1, "", f"the file {error}")]
        trees.append(tree)
        problems += found
    if all(tree.whole and tree.data is None for tree in trees):  # an unmounted volume must not look like "no syncs"
        what = "holds only empty files" if trees else "holds no *.yaml file"
        hint = "a folder without syncs has a file that says `version: 1`"
        problems.append(Problem(str(folder), 0, 0, "", f"the configuration folder {what}", hint))
    return trees, problems


def _folder_problem(folder: Path, error: OSError) -> Problem:
    if isinstance(error, FileNotFoundError):
        hint = "--config DIR or SYNCD_CONFIG names another"
        return Problem(str(folder), 0, 0, "", "the configuration folder does not exist", hint)
    if isinstance(error, NotADirectoryError):
        hint = "give the folder that it stands in"
        return Problem(str(folder), 0, 0, "", "the configuration is a folder of files, and this is a file", hint)
    place = str(error.filename or folder)
    return Problem(place, 0, 0, "", f"the folder cannot be read: {(error.strerror or 'error').lower()}")


def _contract(tree: Tree, checker: Checker) -> list[Problem]:
    if tree.data is None:
        return []
    if not isinstance(tree.data, dict):
        hint = "a file holds version, daemon, connections and syncs"
        return [tree.problem((), "the file must be a mapping of keys to values", hint)]
    return checker.core(tree)
