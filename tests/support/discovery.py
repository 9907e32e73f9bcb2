"""Checks Google traffic against the discovery documents that google-api-python-client ships.

Nobody of this project wrote those documents, so they can witness for both sides: what a client asks and what a
simulator answers.

    witness = DiscoveryWitness(google_app(world))        # an ASGI app: serve it instead of the bare one
    ...
    assert witness.violations == []

or, without a server: `check_request(…)`, `check_answer(…)`. Each returns violations as text with a JSON path.
"""

import base64
import binascii
import email.parser
import email.policy
import gzip
import importlib.util
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

APIS = ("people.v1", "calendar.v3", "drive.v3", "gmail.v1", "admin.directory_v1")
PASSED_OVER = re.compile(r"/(token|revoke|_sim/.*|drive/v3/downloaded/.*)")
BATCH = re.compile(r"/batch(/(gmail/v1|drive/v3|calendar/v3))?")
FIELD_WORD = re.compile(r"\s*([A-Za-z0-9_*$.\-@]+|[,/()])\s*")
PERSON_MASKS = ("personFields", "readMask", "updatePersonFields")


@dataclass(frozen=True)
class Method:
    """One method of one document."""

    api: str
    id: str
    http: str
    pattern: re.Pattern[str]
    parameters: dict[str, Any]
    request: dict[str, Any] | None
    response: dict[str, Any] | None
    schemas: dict[str, Any] = field(repr=False, compare=False)
    media: bool = False  # may answer with bytes
    upload: bool = False


# -- the documents ---------------------------------------------------------------------------------------------------


@cache
def methods() -> tuple[Method, ...]:
    """Every method of the five documents, media upload paths included."""
    spec = importlib.util.find_spec("googleapiclient")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "discovery_cache" / "documents"
    return tuple(m for name in APIS for m in _methods(json.loads((folder / f"{name}.json").read_text())))


def _methods(document: dict[str, Any]) -> Iterator[Method]:
    common = document["parameters"]
    for raw in _walk(document):
        parameters = common | raw.get("parameters", {})
        paths = [("/" + document["servicePath"] + raw["path"], False)]
        protocols = raw.get("mediaUpload", {}).get("protocols", {})
        paths += [(protocol["path"], True) for protocol in protocols.values()]
        for path, upload in paths:
            yield Method(
                document["name"], raw["id"], raw["httpMethod"], _pattern(path, parameters),
                parameters | ({"uploadType": {"type": "string"}} if upload else {}),
                raw.get("request"), raw.get("response"), document["schemas"],
                bool(raw.get("supportsMediaDownload")), upload,
            )  # fmt: skip


def _walk(resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from resource.get("methods", {}).values()
    for inner in resource.get("resources", {}).values():
        yield from _walk(inner)


def _pattern(path: str, parameters: dict[str, Any]) -> re.Pattern[str]:
    return re.compile("".join(_piece(piece, parameters) for piece in re.split(r"(\{\+?\w+\})", path)))


def _piece(piece: str, parameters: dict[str, Any]) -> str:
    """A placeholder matches one segment, or what its parameter's own pattern says."""
    if not piece.startswith("{"):
        return re.escape(piece)
    pattern = str(parameters[piece.strip("{+}")].get("pattern", "[^/]+?"))
    return pattern.removeprefix("^").removesuffix("$")


def find(http: str, path: str) -> Method | None:
    """The method of a request line; templates without placeholders first."""
    fitting = [m for m in methods() if m.http == http and m.pattern.fullmatch(path)]
    return max(fitting, key=lambda m: len(re.sub(r"\[[^]]*\]\+\??", "", m.pattern.pattern)), default=None)


# -- requests --------------------------------------------------------------------------------------------------------


def check_request(
    http: str, path: str, query: dict[str, list[str]], body: bytes, content_type: str = "application/json"
) -> tuple[Method | None, list[str]]:
    """The method that a request means, and what is wrong with the request."""
    method = find(http, path)
    if method is None:
        return None, [f"{http} {path}: no such method"]
    problems = list(_query_problems(method, query))
    if body and not method.upload and "json" in content_type:
        problems += _body_problems(method, body)
    return method, [f"{method.id}: request {problem}" for problem in problems]


def _query_problems(method: Method, query: dict[str, list[str]]) -> Iterator[str]:
    for name, values in query.items():
        schema = method.parameters.get(name)
        if schema is None or schema.get("location") == "path":
            yield f"?{name}: unknown parameter"
            continue
        if len(values) > 1 and not schema.get("repeated"):
            yield f"?{name}: given {len(values)} times"
        for value in values:
            yield from (f"?{name}: {problem}" for problem in _text_problems(value, schema))
    for name, schema in method.parameters.items():
        if schema.get("required") and schema.get("location") == "query" and name not in query:
            yield f"?{name}: required"
    yield from _mask_problems(method, query)


def _text_problems(value: str, schema: dict[str, Any]) -> Iterator[str]:
    kind = schema.get("type")
    if kind == "boolean" and value not in ("true", "false"):
        yield f"{value!r} is no boolean"
    if kind == "integer":
        if not re.fullmatch(r"-?\d+", value):
            yield f"{value!r} is no integer"
        elif not int(schema.get("minimum", -(2**63))) <= int(value) <= int(schema.get("maximum", 2**63)):
            yield f"{value} is out of range"
    if kind == "string":
        yield from _string_problems(value, schema)


def _mask_problems(method: Method, query: dict[str, list[str]]) -> Iterator[str]:
    """Names inside `fields` and person masks must exist."""
    for text in query.get("fields", ()):
        if method.response is not None and text:
            yield from (f"?fields: {problem}" for problem in _fields_problems(method, text))
    if method.api != "people":
        return
    for name in PERSON_MASKS:
        for text in query.get(name, ()):
            for path in text.split(","):
                if path.strip() not in method.schemas["Person"]["properties"]:
                    yield f"?{name}: {path!r} is no field of Person"


def _fields_problems(method: Method, text: str) -> list[str]:
    problems: list[str] = []
    assert method.response is not None
    rest = _selection(method.schemas, method.response, FIELD_WORD.findall(text), problems)
    if rest or "".join(FIELD_WORD.findall(text)) != re.sub(r"\s", "", text):
        problems.append(f"{text!r} does not parse")
    return problems


def _selection(schemas: dict[str, Any], schema: dict[str, Any], words: list[str], problems: list[str]) -> list[str]:
    """Consume `a,b/c,d(e)` from `words`; returns what is left."""
    while words:
        name, words = words[0], words[1:]
        inner = _member(schemas, schema, name)
        if inner is None:
            problems.append(f"{name!r} is no field")
            inner = {"type": "any"}
        while words and words[0] == "/":
            name, words = words[1], words[2:]
            inner = _member(schemas, inner, name) or {"type": "any"}
        if words and words[0] == "(":
            words = _selection(schemas, inner, words[1:], problems)
            if not words or words[0] != ")":
                problems.append("unbalanced parentheses")
                return words
            words = words[1:]
        if not words or words[0] != ",":
            return words
        words = words[1:]
    return words


def _member(schemas: dict[str, Any], schema: dict[str, Any], name: str) -> dict[str, Any] | None:
    """The schema of a member, seen through references and arrays."""
    while "$ref" in schema or schema.get("type") == "array":
        schema = schemas[schema["$ref"]] if "$ref" in schema else schema["items"]
    if name == "*" or schema.get("type") == "any":
        return {"type": "any"}
    found: dict[str, Any] | None = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
    return found


def _body_problems(method: Method, body: bytes) -> list[str]:
    try:
        value = json.loads(body)
    except ValueError:
        return ["body: no JSON"]
    if method.request is None:
        return ["body: none expected"] if value else []
    return list(_problems(method.schemas, method.request, value, "$", nulls=method.http in ("PATCH", "PUT")))


# -- answers ---------------------------------------------------------------------------------------------------------


def check_answer(method: Method, status: int, body: bytes, content_type: str) -> list[str]:
    """What is wrong with an answer."""
    return [f"{method.id}: answer {problem}" for problem in _answer_problems(method, status, body, content_type)]


def _answer_problems(method: Method, status: int, body: bytes, content_type: str) -> list[str]:
    if status in (204, 304):
        return ["has a body"] if body else []
    if "json" not in content_type:
        return [] if status >= 400 or method.media else [f"is {content_type}, not JSON"]
    try:
        value = json.loads(body)
    except ValueError:
        return ["is no JSON"]
    if status >= 400:
        error = value.get("error") if isinstance(value, dict) else None
        fine = isinstance(error, dict) and error.get("code") == status and isinstance(error.get("message"), str)
        return [] if fine else ["is no error envelope"]
    if method.media and not isinstance(value, dict):
        return []
    if method.response is None:
        return ["has a body"] if value else []
    return list(_problems(method.schemas, method.response, value, "$"))


def _problems(
    schemas: dict[str, Any], schema: dict[str, Any], value: Any, path: str, *, nulls: bool = False
) -> Iterator[str]:
    if "$ref" in schema:
        schema = schemas[schema["$ref"]]
    kind = schema.get("type", "object")
    if kind == "any" or (value is None and nulls):
        return
    if not _is_kind(value, kind):
        yield f"{path}: {json.dumps(value)[:60]} is no {kind}"
    elif kind == "object":
        yield from _object_problems(schemas, schema, value, path, nulls)
    elif kind == "array":
        for index, item in enumerate(value):
            yield from _problems(schemas, schema["items"], item, f"{path}[{index}]", nulls=nulls)
    elif kind == "string":
        yield from (f"{path}: {problem}" for problem in _string_problems(value, schema))
    elif kind == "integer" and not _fits(value, schema.get("format", "int32")):
        yield f"{path}: {value} does not fit {schema.get('format')}"


def _object_problems(
    schemas: dict[str, Any], schema: dict[str, Any], value: dict[str, Any], path: str, nulls: bool
) -> Iterator[str]:
    known, extra = schema.get("properties", {}), schema.get("additionalProperties")
    for name, item in value.items():
        inner = known.get(name, extra)
        if inner is None:
            yield f"{path}.{name}: unknown field"
        else:
            yield from _problems(schemas, inner, item, f"{path}.{name}", nulls=nulls)


def _is_kind(value: Any, kind: str) -> bool:
    if kind in ("integer", "number"):
        return isinstance(value, int if kind == "integer" else (int, float)) and not isinstance(value, bool)
    return isinstance(value, {"object": dict, "array": list, "string": str, "boolean": bool}[kind])


def _fits(value: int, form: str) -> bool:
    return 0 <= value < 2**32 if form == "uint32" else -(2**31) <= value < 2**31


def _string_problems(value: str, schema: dict[str, Any]) -> Iterator[str]:
    if "enum" in schema and value not in schema["enum"]:
        yield f"{value!r} is none of {', '.join(schema['enum'])}"
    if "pattern" in schema and not re.fullmatch(schema["pattern"].strip("^$"), value):
        yield f"{value!r} does not match {schema['pattern']}"
    form = schema.get("format")
    if form and not _has_form(value, form):
        yield f"{value[:40]!r} is no {form}"


def _has_form(value: str, form: str) -> bool:
    if form in ("int64", "uint64"):
        return re.fullmatch(r"-?\d+" if form == "int64" else r"\d+", value) is not None
    if form in ("date-time", "google-datetime"):
        return "T" in value and _parses(datetime.fromisoformat, value)
    if form == "date":
        return _parses(date.fromisoformat, value)
    if form == "byte":
        return _parses(_base64, value)
    return True


def _base64(text: str) -> bytes:
    text = text.replace("-", "+").replace("_", "/")
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


def _parses(parse: Any, text: str) -> bool:
    try:
        parse(text)
    except (ValueError, binascii.Error):
        return False
    return True


# -- whole exchanges -------------------------------------------------------------------------------------------------


@dataclass
class Exchange:
    """A request and its answer, headers in lower case."""

    http: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    status: int = 0
    answer_headers: dict[str, str] = field(default_factory=dict)
    answer: bytes = b""

    def normal(self) -> "Exchange":
        """With a method override undone and the answer unpacked."""
        if self.http == "POST" and self.headers.get("x-http-method-override", "").upper() == "GET":
            self.http, self.query, self.body = "GET", self.body.decode(), b""
        if self.answer_headers.get("content-encoding") == "gzip":
            self.answer = gzip.decompress(self.answer)
            del self.answer_headers["content-encoding"]
        return self


def check_exchange(exchange: Exchange, seen: Counter[str] | None = None) -> list[str]:
    """What is wrong with a request and its answer; batches are taken apart. `seen` counts method ids."""
    exchange = exchange.normal()
    if PASSED_OVER.fullmatch(exchange.path):
        return []
    if BATCH.fullmatch(exchange.path):
        return _batch_problems(exchange, seen)
    query = parse_qs(exchange.query, keep_blank_values=True)
    content_type = exchange.headers.get("content-type", "")
    method, problems = check_request(exchange.http, exchange.path, query, exchange.body, content_type)
    if method is None:
        return problems
    if seen is not None:
        seen[method.id] += 1
    if exchange.status:
        answer_type = exchange.answer_headers.get("content-type", "")
        media = method.media and query.get("alt") == ["media"] and exchange.status < 400
        if not media:
            problems += check_answer(method, exchange.status, exchange.answer, answer_type)
    return problems


def _batch_problems(outer: Exchange, seen: Counter[str] | None) -> list[str]:
    requests = dict(_parts(outer.headers.get("content-type", ""), outer.body))
    if outer.status != 200:
        return []
    answers = dict(_parts(outer.answer_headers.get("content-type", ""), outer.answer))
    expected = {_answer_id(key): key for key in requests}
    problems = [f"batch: no answer {key}" for key in expected if key not in answers]
    problems += [f"batch: answer {key} to no request" for key in answers if key not in expected]
    for key, (line, headers, body) in answers.items():
        if key not in expected:
            continue
        request_line, request_headers, request_body = requests[expected[key]]
        http, target = request_line.split()[:2]
        path, _, query = target.partition("?")
        exchange = Exchange(http, path, query, request_headers, request_body, int(line.split()[1]), headers, body)
        problems += check_exchange(exchange, seen)
    return problems


def _answer_id(key: str) -> str:
    return key.replace("<", "<response-", 1)


Part = tuple[str, tuple[str, dict[str, str], bytes]]


def _parts(content_type: str, body: bytes) -> Iterator[Part]:
    """(Content-ID, (first line, headers, body)) of each part."""
    message = email.parser.BytesParser(policy=email.policy.compat32).parsebytes(
        f"Content-Type: {content_type}\r\n\r\n".encode() + body
    )
    for part in message.get_payload():
        inner = part.get_payload(decode=True).lstrip()
        line, _, rest = inner.partition(b"\n")
        content = email.parser.BytesParser(policy=email.policy.compat32).parsebytes(rest)
        headers = {name.lower(): str(value) for name, value in content.items()}
        yield str(part["Content-ID"]).strip(), (line.decode().strip(), headers, _content(rest))


def _content(block: bytes) -> bytes:
    pieces = re.split(rb"\r?\n\r?\n", block, maxsplit=1)
    return pieces[1].strip() if len(pieces) > 1 else b""


class DiscoveryWitness:
    """ASGI middleware that checks every exchange. `violations` collects; `seen` counts method ids.

    With `strict` a violation is raised into the server, so that the client sees a failure at once. Answers that a
    fault plan cut short or made unreadable are violations too: keep faults and witness apart.
    """

    def __init__(self, app: Any, *, strict: bool = False) -> None:
        self.app, self.strict = app, strict
        self.violations: list[str] = []
        self.seen: Counter[str] = Counter()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = Exchange(
            scope["method"], scope.get("raw_path", scope["path"].encode()).decode().partition("?")[0],
            scope["query_string"].decode(), _headers(scope["headers"]), b"",
        )  # fmt: skip

        async def listen() -> Any:
            message = await receive()
            if message["type"] == "http.request":
                exchange.body += message.get("body", b"")
            return message

        async def speak(message: Any) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                exchange.answer_headers = _headers(message["headers"])
            else:
                exchange.answer += message.get("body", b"")
            if message["type"] == "http.response.body" and not message.get("more_body"):
                self._check(exchange)
            await send(message)

        await self.app(scope, listen, speak)

    def _check(self, exchange: Exchange) -> None:
        found = check_exchange(exchange, self.seen)
        self.violations += found
        if found and self.strict:
            raise AssertionError("\n".join(found))


def _headers(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in raw}
