"""References in a file's tree are replaced: secrets by a stand-in that can read them, other values by what they give.

Public: resolve, Resolver.

Two ways of reading the folder, by `check_values`:

- True, for whoever is going to run it (`syncd run`, `sync`, `check`): every value is read once, secrets too, and what cannot be read
  is a problem now, not at two in the morning.
- False, for `syncd validate` (in CI, on a laptop): nothing outside the folder is read, so the answer depends on the folder alone and
  a pull request cannot make CI read its files. References are checked for form and scheme; what a value would have to
  look like is not checked, and the text of the reference stands in the settings.

A name that other files depend on (`connector`, `connection`, the streams, `previous_name`, `version`) is never a
reference: a reader of the folder must see how it hangs together.
"""

from dataclasses import dataclass, field
from typing import Any

from syncd.sdk import Secret

from .catalog import Catalog
from .formats import Invalid, check_store, has_literal_password
from .messages import phrase
from .notify import check_scheme, check_url
from .plugged import Pattern, expand, secret_paths
from .problem import Problem
from .tree import Path, SecretText, Text, Tree
from .values import Reference, Sources, Template, ValueProblem, parse_template

__all__ = ["resolve"]

_DAEMON_SECRETS: tuple[Pattern, ...] = (("token",), ("encryption_keys", "*"))
_DAEMON_URLS: tuple[Pattern, ...] = (("notify", "*"), ("store",))
_LITERAL: tuple[Pattern, ...] = (
    ("version",),
    ("connections", "*", "connector"),
    ("connections", "*", "previous_name"),
    ("syncs", "*", "connection"),
    ("syncs", "*", "streams", "*"),
)
_WRITE_REFERENCE = "write ${env:NAME}, ${file:PATH} or ${credential:NAME}"


def resolve(tree: Tree, sources: Sources, catalog: Catalog, *, check_values: bool) -> list[Problem]:
    """Replace all references in `tree.data`. A value that can't be had becomes an unknown Text."""
    resolver = _Resolver(tree, sources, catalog, check_values)
    if isinstance(tree.data, dict):
        resolver.run()
    return resolver.problems


@dataclass(slots=True)
class _Resolver:
    tree: Tree
    sources: Sources
    catalog: Catalog
    check_values: bool
    problems: list[Problem] = field(default_factory=list)

    def run(self) -> None:
        self._daemon(self.tree.data.get("daemon"))
        opaque = self._connections(self.tree.data.get("connections"))
        if self.tree.templated:
            self._literal_only()
            self._texts(self.tree.data, (), opaque)

    def _daemon(self, daemon: Any) -> None:
        for pattern in _DAEMON_SECRETS:
            for path in expand(pattern, daemon):
                self._secret(("daemon", *path), whole=True)
        for pattern in _DAEMON_URLS:
            for path in expand(pattern, daemon):
                self._url(("daemon", *path))

    def _connections(self, connections: Any) -> set[Path]:
        """Handle the secrets of each connection; gives the settings of which nothing can be said."""
        opaque: set[Path] = set()
        for name, connection in connections.items() if isinstance(connections, dict) else ():
            installed = self.catalog.connectors.get(_name_of(connection))
            path = ("connections", name, "settings")
            if installed is None:
                opaque.add(path)
                continue
            for pattern in secret_paths(installed.settings):
                for rest in expand(pattern, connection.get("settings")):
                    self._secret((*path, *rest), whole=True)
        return opaque

    def _literal_only(self) -> None:
        for pattern in _LITERAL:
            for path in expand(pattern, self.tree.data):
                value = self._get(path)
                if isinstance(value, str) and "${" in value:
                    self._note(path, "must be written out: references are for values, not for names")
                    self._put(path, Text("", value, known=False))

    def _texts(self, value: Any, path: Path, opaque: set[Path]) -> None:
        if isinstance(value, str):
            if "${" in value and not isinstance(value, Text):
                self._put(path, self._text(value, path))
        elif path not in opaque and isinstance(value, dict | list):
            for key, item in value.items() if isinstance(value, dict) else enumerate(value):
                self._texts(item, (*path, key), opaque)

    def _text(self, text: str, path: Path) -> str:
        """A value that is no secret."""
        try:
            template = parse_template(text)
            self.sources.check(template)
            if not any(isinstance(part, Reference) for part in template):
                return "".join(map(str, template))
            return Text(self.sources.read(template), text) if self.check_values else Text(text, text, known=False)
        except ValueProblem as problem:
            self._note(path, f"cannot be had: {problem.message}", problem.hint)
            return Text(text, text, known=False)

    def _secret(self, path: Path, *, whole: bool) -> None:
        """A value that must be a reference: alone (`whole`), or with text around it."""
        value = self._get(path)
        if value is None or isinstance(value, Text):
            return
        template = self._template(value, path)
        if template is not None and not _is_reference(template, whole=whole):
            self._note(path, "is a secret: it must be a reference, not written out", _WRITE_REFERENCE)
            template = None
        if template is None:
            self._put(path, Text("", "[secret]", known=False))
            return
        secret = self.sources.secret(template, value)
        self._put(path, SecretText(secret))
        if self.check_values:
            self._try(secret, path)

    def _url(self, path: Path) -> None:
        """`store`, and the Apprise URLs of `notify`, which hold credentials in one place or another."""
        value = self._get(path)
        store = path == ("daemon", "store")
        if isinstance(value, str) and has_literal_password(value):
            self._note(path, "holds a password: it must be a reference, not written out", _WRITE_REFERENCE)
            self._put(path, Text("", "[secret]", known=False))
        elif not store or (isinstance(value, str) and "${" in value):
            self._secret(path, whole=False)
            if not store and not self.check_values and isinstance(value, str) and "${" in value:
                self._scheme(value, path)

    def _scheme(self, value: str, path: Path) -> None:
        """What can be said of a channel's URL without its secrets."""
        try:
            check_scheme(value.partition("${")[0])
        except Invalid as problem:
            self._note(path, problem.message, problem.hint)

    def _template(self, value: Any, path: Path) -> Template | None:
        """The parts of a secret's text; () for what is no text. None, with a problem, where it is malformed."""
        try:
            template = parse_template(value) if isinstance(value, str) else ()
            self.sources.check(template)
        except ValueProblem as problem:
            self._note(path, f"cannot be had: {problem.message}", problem.hint)
            return None
        return template

    def _try(self, secret: Secret, path: Path) -> None:
        try:
            value = secret.reveal()
            if path == ("daemon", "store"):
                check_store(value)
            elif path[:2] == ("daemon", "notify"):
                check_url(value)
        except ValueProblem as problem:
            self._note(path, f"cannot be had: {problem.message}", problem.hint)
        except Invalid as problem:
            self._note(path, problem.message, problem.hint)

    def _get(self, path: Path) -> Any:
        value = self.tree.data
        for step in path:
            value = value[step]
        return value

    def _put(self, path: Path, value: Any) -> None:
        self._get(path[:-1])[path[-1]] = value

    def _note(self, path: Path, message: str, hint: str = "") -> None:
        self.problems.append(self.tree.problem(path, f"{phrase(path)} {message}", hint))


def _is_reference(template: Template, *, whole: bool) -> bool:
    references = [part for part in template if isinstance(part, Reference)]
    return bool(references) and (not whole or len(template) == 1)


def _name_of(connection: Any) -> str:
    name = connection.get("connector") if isinstance(connection, dict) else None
    return name if isinstance(name, str) else ""
