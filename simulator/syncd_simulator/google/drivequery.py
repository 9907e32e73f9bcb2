"""The `q` language of files.list, as far as it is simulated: terms joined by and/or/not with parentheses."""

import re
from collections.abc import Callable

from syncd_simulator.google.files import File
from syncd_simulator.google.wire import ApiError
from syncd_simulator.google.world import GoogleWorld, User

_WORD = re.compile(r"\s*('(?:[^'\\]|\\.)*'|!=|<=|>=|[=<>()]|[A-Za-z]+)")
Test = Callable[[File], bool]


def invalid() -> ApiError:
    """A query that does not parse."""
    return ApiError(400, "invalid", "Invalid Value", location="q")


def compile_query(world: GoogleWorld, user: User, text: str | None) -> Test:
    """A predicate for the query; everything passes without one."""
    if not text or not text.strip():
        return lambda _: True
    return _Parser(world, user, text).whole()


class _Parser:
    def __init__(self, world: GoogleWorld, user: User, text: str) -> None:
        self.world, self.user = world, user
        self.words = self._split(text)

    @staticmethod
    def _split(text: str) -> list[str]:
        words, at, text = [], 0, text.strip()
        while at < len(text):
            match = _WORD.match(text, at)
            if match is None:
                raise invalid()
            words.append(match.group(1))
            at = match.end()
        return words[::-1]  # popped from the end

    def whole(self) -> Test:
        test = self._either()
        if self.words:
            raise invalid()
        return test

    def _either(self) -> Test:
        tests = [self._both()]
        while self.words and self.words[-1] == "or":
            self.words.pop()
            tests.append(self._both())
        return lambda file: any(test(file) for test in tests)

    def _both(self) -> Test:
        tests = [self._term()]
        while self.words and self.words[-1] == "and":
            self.words.pop()
            tests.append(self._term())
        return lambda file: all(test(file) for test in tests)

    def _next(self) -> str:
        if not self.words:
            raise invalid()
        return self.words.pop()

    def _term(self) -> Test:
        word = self._next()
        if word == "not":
            inner = self._term()
            return lambda file: not inner(file)
        if word == "(":
            inner = self._either()
            if self._next() != ")":
                raise invalid()
            return inner
        if word.startswith("'"):
            return self._member(_text(word))
        if word == "sharedWithMe" and (not self.words or self.words[-1] != "="):
            return self._shared_with_me
        return self._comparison(word, self._next(), self._next())

    def _shared_with_me(self, file: File) -> bool:
        return file.owner is not None and file.owner != self.user.id

    def _member(self, value: str) -> Test:
        if self._next() != "in":
            raise invalid()
        field = self._next()
        if field == "parents":
            folder = self.world.drive.views[self.user.id].root if value == "root" else value
            return lambda file: file.parent == folder
        if field == "owners":
            address = self.user.address if value == "me" else value
            owner = self.world.addresses.get(address)
            return lambda file: owner is not None and file.owner == owner.id
        raise invalid()

    def _comparison(self, field: str, sign: str, raw: str) -> Test:
        value = _text(raw)
        if field == "trashed" and sign in ("=", "!="):
            wanted = (value == "true") == (sign == "=")
            return lambda file: self.world.drive.is_trashed(file) == wanted
        if field in ("name", "mimeType"):
            attribute = "name" if field == "name" else "mime"
            return _on_text(attribute, sign, value)
        if field in ("modifiedTime", "createdTime"):
            attribute = "modified" if field == "modifiedTime" else "created"
            return _on_time(attribute, sign, value)
        if field == "sharedWithMe" and sign == "=":
            return self._shared_with_me
        raise invalid()


def _text(word: str) -> str:
    return re.sub(r"\\(.)", r"\1", word[1:-1]) if word.startswith("'") else word


def _on_text(attribute: str, sign: str, value: str) -> Test:
    if sign == "=":
        return lambda file: getattr(file, attribute) == value
    if sign == "!=":
        return lambda file: getattr(file, attribute) != value
    if sign == "contains":
        return lambda file: value.lower() in getattr(file, attribute).lower()
    raise invalid()


def _on_time(attribute: str, sign: str, value: str) -> Test:
    tests: dict[str, Callable[[str], bool]] = {
        ">": value.__lt__, ">=": value.__le__, "<": value.__gt__, "<=": value.__ge__, "=": value.__eq__,
    }  # fmt: skip
    if sign not in tests:
        raise invalid()
    test = tests[sign]
    return lambda file: test(getattr(file, attribute))
