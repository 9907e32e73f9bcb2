"""Queries over records: COQL, the search `criteria`, and the filters of bulk reads (zoho.md §8.7).

Public: BadQuery, Query, parse, run, criteria, bulk_filter, coql. `where` is mandatory in COQL; joins other than one step
through a lookup (`Account_Name.Phone`) are not known here.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from syncd_simulator.zoho.crm_store import CrmStore, Record, Table
from syncd_simulator.zoho.crm_view import moment, projected
from syncd_simulator.zoho.wire import JSON, ApiError, Call, Reply

if TYPE_CHECKING:
    from syncd_simulator.zoho.world import ZohoWorld

__all__ = ["BadQuery", "Query", "bulk_filter", "coql", "criteria", "parse", "run"]

MOST_ROWS, ROWS = 2_000, 200
TOKEN = re.compile(r"\s*(?:('(?:[^'\\]|\\.)*')|([A-Za-z_$][\w$.]*)|(-?\d+(?:\.\d+)?)|(<=|>=|!=|<>|[=<>(),]))")
Test = Callable[[Record], bool]


class BadQuery(Exception):
    """The text is no query."""


@dataclass
class Query:
    """A parsed `select`."""

    names: list[str]
    module: str
    test: Test
    order: list[tuple[str, bool]]
    offset: int
    limit: int


# -- values -------------------------------------------------------------------------------------------------------------


def value_of(crm: CrmStore, table: Table, record: Record, name: str) -> Any:
    """What conditions compare: instants as whole seconds, people and lookups by id."""
    head, _, rest = name.partition(".")
    if head == "id":
        return record.id
    field = table.fields.get(head)
    if field is None:
        raise BadQuery(f"invalid column name: {name}")
    if head in ("Created_Time", "Modified_Time"):
        return int(record.created if head == "Created_Time" else record.modified)
    value: Any = projected(crm, table.module, record, [head])[head]
    if field.data_type == "datetime":
        return None if value is None else moment(value)
    if isinstance(value, dict):
        if rest and rest != "id" and (found := crm.find(value["id"], *crm.tables)):
            return value_of(crm, crm.tables[found[0]], found[1], rest)
        return value.get("id")
    return value


def _literal(table: Table, name: str, text: Any) -> Any:
    """A constant as the column's type."""
    field = table.fields.get(name.partition(".")[0])
    if field is None or not isinstance(text, str):
        return text
    if field.data_type == "datetime":
        try:
            return int(moment(text))
        except ValueError:
            raise BadQuery(f"invalid value for {name}") from None
    if field.data_type == "boolean":
        return text.lower() == "true"
    if field.data_type in ("integer", "double", "currency"):
        return float(text)
    return text


def _compare(one: Any, operator: str, other: Any) -> bool:
    """SQL's way: nothing compares with null."""
    if one is None or other is None:
        return operator == "!=" and one is not other
    if isinstance(one, str) and isinstance(other, str):
        one, other = one.casefold(), other.casefold()
    if operator == "=":
        return bool(one == other)
    if operator == "!=":
        return bool(one != other)
    try:
        return bool({"<": one < other, ">": one > other, "<=": one <= other, ">=": one >= other}[operator])
    except TypeError:
        return False


def _between(value: Any, low: Any, high: Any) -> bool:
    return _compare(value, ">=", low) and _compare(value, "<=", high)


def _like(value: Any, pattern: str) -> bool:
    expression = ".*".join(re.escape(part) for part in pattern.split("%"))
    return value is not None and re.fullmatch(expression, str(value), re.IGNORECASE | re.DOTALL) is not None


# -- COQL ---------------------------------------------------------------------------------------------------------------


class _Reader:
    """Tokens of a query, one at a time."""

    def __init__(self, text: str) -> None:
        self.tokens: list[str] = []
        at = 0
        while text[at:].strip():
            match = TOKEN.match(text, at)
            if match is None:
                raise BadQuery(f"unexpected {text[at : at + 10]!r}")
            self.tokens.append(match.group().strip())
            at = match.end()
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def word(self) -> str:
        return self.peek().lower()

    def take(self) -> str:
        token = self.peek()
        if not token:
            raise BadQuery("the query ends too early")
        self.at += 1
        return token

    def took(self, *words: str) -> bool:
        """Take these words when they come next."""
        if [token.lower() for token in self.tokens[self.at : self.at + len(words)]] != list(words):
            return False
        self.at += len(words)
        return True

    def expect(self, word: str) -> None:
        if not self.took(word):
            raise BadQuery(f"missing {word}")

    def constant(self) -> Any:
        token = self.take()
        if token.startswith("'"):
            return re.sub(r"\\(.)", r"\1", token[1:-1])
        if token.lower() == "null":
            return None
        return token

    def constants(self) -> list[Any]:
        self.expect("(")
        found = [self.constant()]
        while self.took(","):
            found.append(self.constant())
        self.expect(")")
        return found

    def names(self) -> list[str]:
        found = [self.take()]
        while self.took(","):
            found.append(self.take())
        return found


def parse(crm: CrmStore, text: str) -> Query:
    """A `select` over one module."""
    reader = _Reader(text)
    reader.expect("select")
    names = reader.names()
    reader.expect("from")
    module = reader.take()
    if module not in crm.tables:
        raise BadQuery(f"invalid module: {module}")
    if not reader.took("where"):
        raise BadQuery("missing where clause")
    table = crm.tables[module]
    unknown = [name for name in names if name != "id" and name.partition(".")[0] not in table.fields]
    if unknown:
        raise BadQuery(f"invalid column name: {unknown[0]}")
    test = _either(crm, table, reader)
    order = _ordering(reader)
    offset, limit = _window(reader)
    if reader.peek():
        raise BadQuery(f"unexpected {reader.peek()}")
    return Query(names, module, test, order, offset, limit)


def _either(crm: CrmStore, table: Table, reader: _Reader) -> Test:
    tests = [_both(crm, table, reader)]
    while reader.took("or"):
        tests.append(_both(crm, table, reader))
    return tests[0] if len(tests) == 1 else lambda record: any(test(record) for test in tests)


def _both(crm: CrmStore, table: Table, reader: _Reader) -> Test:
    tests = [_condition(crm, table, reader)]
    while reader.took("and"):
        tests.append(_condition(crm, table, reader))
    return tests[0] if len(tests) == 1 else lambda record: all(test(record) for test in tests)


def _condition(crm: CrmStore, table: Table, reader: _Reader) -> Test:
    if reader.took("("):
        inner = _either(crm, table, reader)
        reader.expect(")")
        return inner
    name = reader.take()
    if name != "id" and name.partition(".")[0] not in table.fields:
        raise BadQuery(f"invalid column name: {name}")

    def value(record: Record) -> Any:
        return value_of(crm, table, record, name)

    if reader.took("is", "not", "null"):
        return lambda record: value(record) not in (None, "", [])
    if reader.took("is", "null"):
        return lambda record: value(record) in (None, "", [])
    wanted = not reader.took("not")
    if reader.took("like"):
        pattern = str(reader.constant())
        return lambda record: _like(value(record), pattern) is wanted
    if reader.took("in"):
        texts = [_literal(table, name, text) for text in reader.constants()]
        return lambda record: any(_compare(value(record), "=", text) for text in texts) is wanted
    if reader.took("between"):
        low = _literal(table, name, reader.constant())
        reader.expect("and")
        high = _literal(table, name, reader.constant())
        return lambda record: _between(value(record), low, high) is wanted
    operator = reader.take().replace("<>", "!=")
    if operator not in ("=", "!=", "<", ">", "<=", ">="):
        raise BadQuery(f"unknown operator {operator}")
    other = _literal(table, name, reader.constant())
    return lambda record: _compare(value(record), operator, other)


def _ordering(reader: _Reader) -> list[tuple[str, bool]]:
    """(name, backwards), the most important first."""
    order = []
    if reader.took("order", "by"):
        while True:
            name = reader.take()
            order.append((name, reader.took("desc")))
            reader.took("asc")
            if not reader.took(","):
                break
    return order


def _window(reader: _Reader) -> tuple[int, int]:
    """`limit n`, `limit offset, n` or `limit n offset m`."""
    if not reader.took("limit"):
        return 0, ROWS
    try:
        first = int(reader.take())
        if reader.took(","):
            offset, limit = first, int(reader.take())
        else:
            offset, limit = (int(reader.take()) if reader.took("offset") else 0), first
    except ValueError:
        raise BadQuery("limit is no number") from None
    if limit > MOST_ROWS:
        raise BadQuery(f"the limit is more than {MOST_ROWS}")
    return offset, limit


def run(crm: CrmStore, query: Query) -> tuple[list[Record], bool]:
    """The rows and whether there are more."""
    table = crm.tables[query.module]
    found = [record for record in crm.living(query.module) if query.test(record)]
    for name, backwards in reversed(query.order):
        empty = [record for record in found if value_of(crm, table, record, name) is None]
        full = [record for record in found if value_of(crm, table, record, name) is not None]
        found = sorted(full, key=lambda record: value_of(crm, table, record, name), reverse=backwards) + empty
    end = query.offset + query.limit
    return found[query.offset : end], len(found) > end


def coql(world: "ZohoWorld", call: Call) -> Reply:
    """`POST /coql`."""
    crm = CrmStore.of(world)
    try:
        body = call.json()
        text = body["select_query"]
    except (ValueError, KeyError, TypeError):
        details = {"api_name": "select_query", "json_path": "$.select_query"}
        raise ApiError(400, "MANDATORY_NOT_FOUND", "required field not found", details=details) from None
    try:
        query = parse(crm, str(text))
        rows, more = run(crm, query)
    except BadQuery as error:
        raise ApiError(400, "SYNTAX_ERROR", "error occured while parsing the query",
                       details={"clause": str(error)}) from None  # fmt: skip
    if not rows:
        return Reply(204)
    plain = [name for name in query.names if "." not in name]
    data = [_row(crm, query, record, plain) for record in rows]
    return Reply(200, {"data": data, "info": {"count": len(data), "more_records": more}})


def _row(crm: CrmStore, query: Query, record: Record, plain: list[str]) -> JSON:
    shown = projected(crm, query.module, record, plain)
    table = crm.tables[query.module]
    return shown | {name: value_of(crm, table, record, name) for name in query.names if "." in name}


# -- the other two spellings --------------------------------------------------------------------------------------------

WORDS = {
    "equals": "=", "equal": "=", "not_equal": "!=", "greater_than": ">", "less_than": "<",
    "greater_equal": ">=", "less_equal": "<=",
}  # fmt: skip


def comparison(crm: CrmStore, table: Table, name: str, word: str, text: Any) -> Test:
    """One condition in words, as search and bulk read write it."""
    if name != "id" and name.partition(".")[0] not in table.fields:
        raise BadQuery(f"invalid field: {name}")

    def value(record: Record) -> Any:
        return value_of(crm, table, record, name)

    if word in WORDS:
        other = _literal(table, name, text)
        return lambda record: _compare(value(record), WORDS[word], other)
    if word == "in":
        texts = [_literal(table, name, part) for part in (text.split(",") if isinstance(text, str) else text)]
        return lambda record: any(_compare(value(record), "=", other) for other in texts)
    if word in ("starts_with", "contains", "ends_with"):
        pattern = {"starts_with": "{}%", "contains": "%{}%", "ends_with": "%{}"}[word].format(text)
        return lambda record: _like(value(record), pattern)
    if word == "between":
        low, high = (_literal(table, name, part) for part in (text.split(",") if isinstance(text, str) else text))
        return lambda record: _between(value(record), low, high)
    raise BadQuery(f"unknown comparator {word}")


def criteria(crm: CrmStore, table: Table, text: str) -> Test:
    """`((Last_Name:equals:Burns)and(Email:starts_with:b))`; `and` and `or` from the left, brackets inside count."""
    test, rest = _criteria(crm, table, text.strip())
    if rest.strip():
        raise BadQuery(f"unexpected {rest[:10]!r}")
    return test


def _criteria(crm: CrmStore, table: Table, text: str) -> tuple[Test, str]:
    test, text = _criterion(crm, table, text)
    while match := re.match(r"\s*(and|or)\s*(?=\()", text):
        other, text = _criterion(crm, table, text[match.end() :])
        test = _joined(match[1], test, other)
    return test, text


def _joined(word: str, one: Test, other: Test) -> Test:
    if word == "and":
        return lambda record: one(record) and other(record)
    return lambda record: one(record) or other(record)


def _criterion(crm: CrmStore, table: Table, text: str) -> tuple[Test, str]:
    if text.startswith("(") and text[1:].lstrip().startswith("("):
        test, rest = _criteria(crm, table, text[1:].lstrip())
        if not rest.startswith(")"):
            raise BadQuery("a bracket is not closed")
        return test, rest[1:]
    match = re.match(r"\(?([\w.$]+):(\w+):((?:\\.|[^()\\])*)\)?", text)
    if match is None:
        raise BadQuery(f"unexpected {text[:10]!r}")
    value = re.sub(r"\\(.)", r"\1", match[3])
    return comparison(crm, table, match[1], match[2], value), text[match.end() :]


def bulk_filter(crm: CrmStore, table: Table, given: Any) -> Test:
    """`{"field": {"api_name"}, "comparator", "value"}` or `{"group_operator", "group": […]}`."""
    if not isinstance(given, dict):
        raise BadQuery("criteria is no object")
    if "group" in given:
        tests = [bulk_filter(crm, table, one) for one in given["group"]]
        every = str(given.get("group_operator", "and")).lower() == "and"
        return lambda record: all(test(record) for test in tests) if every else any(test(record) for test in tests)
    named = given.get("field", given).get("api_name")
    return comparison(crm, table, str(named), str(given.get("comparator")), given.get("value"))
