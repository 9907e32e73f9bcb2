"""Values that stand elsewhere: `${env:NAME}`, `${file:PATH}`, `${credential:NAME}`, and the schemes of plugins.

Public: Sources, parse_template, BUILT_IN.

A reference may be a part of a longer text; `$${` writes a plain `${`. The path of a `file` is relative to the folder of
the YAML file that names it. `credential` is a file in systemd's `$CREDENTIALS_DIRECTORY`. Line ends at the end of a file or credential
are dropped. References do not nest, and keys hold none.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from syncd.sdk import Secret, redact

from .files import Unreadable, read
from .problem import did_you_mean, one_of, shown

__all__ = ["BUILT_IN", "Reference", "Sources", "ValueProblem", "parse_template"]

BUILT_IN = ("env", "file", "credential")
_REFERENCE = re.compile(r"\$(\$\{)|\$\{([^}]*)(\}?)")
_SCHEME = re.compile(r"[a-z][a-z0-9_+.-]*")


class ValueProblem(ValueError):
    """A reference that is badly written or can't be read. Neither message nor hint holds a value."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


@dataclass(frozen=True, slots=True)
class Reference:
    """`${scheme:argument}`."""

    scheme: str
    argument: str

    def __str__(self) -> str:
        return f"${{{self.scheme}:{self.argument}}}"


Template = tuple[str | Reference, ...]


def parse_template(text: str) -> Template:
    """The literal parts and references of a text, in order. Raises ValueProblem for a malformed reference."""
    parts: list[str | Reference] = []
    end = 0
    for match in _REFERENCE.finditer(text):
        parts.append(text[end : match.start()] + ("${" if match[1] else ""))
        end = match.end()
        if not match[1]:
            parts.append(_reference(match[2], closed=bool(match[3])))
    parts.append(text[end:])
    return tuple(part for part in parts if part != "")


def _reference(inner: str, *, closed: bool) -> Reference:
    if not closed:
        raise ValueProblem("a '${' without its '}'", "a plain '${' is written '$${'")
    if "${" in inner:
        raise ValueProblem("references cannot be nested", "set the whole value in one variable or file")
    scheme, colon, argument = inner.partition(":")
    if not colon or not argument or not _SCHEME.fullmatch(scheme):
        name = scheme if scheme and not colon else "NAME"
        raise ValueProblem(f"{shown('${' + inner + '}')} does not say where the value is", f"write ${{env:{name}}}")
    return Reference(scheme, argument)


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the values of one YAML file come from: the file's folder, the environment, the schemes of plugins."""

    folder: Path
    schemes: Mapping[str, Callable[[str], str]] = field(default_factory=dict)

    def check(self, template: Template) -> None:
        """Raises ValueProblem for a scheme that nobody offers."""
        known = (*BUILT_IN, *self.schemes)
        for part in template:
            if isinstance(part, Reference) and part.scheme not in known:
                meant = did_you_mean(part.scheme, known) or f"there are {one_of(sorted(known))}"
                raise ValueProblem(f"{shown(part)}: there is no source '{part.scheme}'", meant)

    def read(self, template: Template) -> str:
        """The text with each reference replaced by its value now. Raises ValueProblem."""
        return "".join(self._value(part) if isinstance(part, Reference) else part for part in template)

    def secret(self, template: Template, text: str) -> Secret:
        """A Secret that reads its sources anew at each use. `text` is what the operator wrote."""
        return Secret(lambda: self._not_empty(template, text), text)

    def _not_empty(self, template: Template, text: str) -> str:
        value = self.read(template)
        if not value.strip():
            raise ValueProblem(f"{shown(text)} is empty")
        return value

    def _value(self, reference: Reference) -> str:
        try:
            return self._read(reference)
        except ValueProblem:
            raise
        except Exception as error:  # a plugin's reader: by contract OSError and ValueError speak to the operator
            told = redact(str(error)) if isinstance(error, OSError | ValueError) else ""
            reason = shown(told or type(error).__name__)[1:-1]
            raise ValueProblem(f"{shown(reference)} cannot be read: {reason}") from None

    def _read(self, reference: Reference) -> str:
        match reference.scheme:
            case "env":
                return _environment(reference)
            case "file":
                return _content(reference, self.folder / Path(reference.argument).expanduser())
            case "credential":
                return _credential(reference)
        return self.schemes[reference.scheme](reference.argument)


def _environment(reference: Reference) -> str:
    value = os.environ.get(reference.argument)
    if value is None:
        hint = "set it where the daemon is started (systemd: EnvironmentFile=)"
        raise ValueProblem(f"the environment variable {shown(reference.argument)} is not set", hint)
    return value


def _content(reference: Reference, path: Path) -> str:
    try:
        return read(path).decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueProblem(f"the file {shown(path, 300)} of {shown(reference)} is not UTF-8 text") from None
    except Unreadable as error:
        raise ValueProblem(f"the file {shown(path, 300)} of {shown(reference)} {error}") from None


def _credential(reference: Reference) -> str:
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        hint = f"systemd sets it: LoadCredential={reference.argument}:/path in the unit"
        raise ValueProblem(f"{shown(reference)}: $CREDENTIALS_DIRECTORY is not set", hint)
    if "/" in reference.argument or reference.argument in (".", ".."):
        raise ValueProblem(f"{shown(reference)}: a credential's name has no '/'", "use ${file:…} for a path")
    return _content(reference, Path(directory) / reference.argument)
