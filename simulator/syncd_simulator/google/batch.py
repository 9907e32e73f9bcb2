"""Batch requests: multipart/mixed with one HTTP request in each part (google.md §9)."""

import random
import re
from collections.abc import Callable
from email.message import Message
from http import HTTPStatus

from syncd_simulator.google.wire import ApiError, Call, Reply

MOST = {"gmail": 100, "drive": 100, "people": 1000, "calendar": 1000, "admin": 1000}
Dispatch = Callable[[Call], tuple[Reply, bytes, dict[str, str]]]


def boundary_of(content_type: str) -> str:
    """The boundary, quoted or not; 400 when there is none."""
    message = Message()
    message["Content-Type"] = content_type
    boundary = message.get_boundary()
    if message.get_content_type() != "multipart/mixed" or not boundary:
        raise ApiError(400, "badRequest", "Failed to parse batch request, no boundary in Content-Type.")
    return str(boundary)


def split_parts(body: bytes, boundary: str) -> list[bytes]:
    """The raw parts; preamble and epilogue are dropped."""
    mark = b"--" + boundary.encode()
    pieces = re.split(rb"(?:^|\r?\n)" + re.escape(mark), body)
    parts = []
    for piece in pieces[1:]:
        if piece.startswith(b"--"):
            break
        parts.append(re.sub(rb"^[ \t]*\r?\n", b"", piece, count=1))
    return parts


def _headers(block: bytes) -> dict[str, str]:
    headers = {}
    for line in re.split(rb"\r?\n", block):
        name, colon, value = line.partition(b":")
        if colon:
            headers[name.strip().decode("latin-1").lower()] = value.strip().decode("latin-1")
    return headers


def _cut(block: bytes) -> tuple[bytes, bytes]:
    """Head and rest around the first empty line."""
    pieces = re.split(rb"\r?\n\r?\n", block, maxsplit=1)
    return pieces[0], pieces[1] if len(pieces) > 1 else b""


def inner_call(part: bytes, outer: Call) -> tuple[str | None, Call]:
    """The Content-ID and the request of one part. Outer headers apply, inner ones win."""
    if part.startswith((b"\r\n", b"\n")):
        part_head, request = b"", part.lstrip(b"\r\n")
    else:
        part_head, request = _cut(part)
    head, body = _cut(request.lstrip(b"\r\n"))
    line, _, header_block = head.partition(b"\n")
    words = line.decode("latin-1").split()
    if len(words) < 2:
        raise ApiError(400, "badRequest", "Failed to parse batch request, bad request line.")
    inherited = {name: value for name, value in outer.headers.items() if not name.startswith("content-")}
    headers = inherited | _headers(header_block)
    length = headers.get("content-length", "")
    body = body[: int(length)] if length.isdigit() else body.rstrip(b"\r\n")
    call = Call.parse(words[0].upper(), words[1], headers, body, outer.base_url)
    call.in_batch = True
    return _headers(part_head).get("content-id"), call


def answer_id(content_id: str) -> str:
    """`<x + 1>` becomes `<response-x + 1>`; the rest stays unchanged."""
    return "<response-" + content_id[1:] if content_id.startswith("<") else "response-" + content_id


def run(outer: Call, api_of: Callable[[str], str | None], dispatch: Dispatch, shuffle: random.Random) -> Reply:
    """Carry out all parts in an unspecified order and answer 200 with the parts shuffled."""
    parts = split_parts(outer.body, boundary_of(outer.headers.get("content-type", "")))
    calls = [inner_call(part, outer) for part in parts]
    apis = {api_of(call.path) for _, call in calls}
    if len(apis) > 1:
        raise ApiError(400, "badRequest", "All requests of a batch must be for the same API.")
    api = next(iter(apis), None) or "gmail"
    if not calls:
        raise ApiError(400, "badRequest", "Failed to parse batch request, no parts.")
    if len(calls) > MOST[api]:
        raise ApiError(400, "badRequest", f"The batch request has too many parts (at most {MOST[api]}).")
    shuffle.shuffle(calls)
    boundary = f"batch_{shuffle.getrandbits(64):x}"
    mark = b"--" + boundary.encode()
    pieces = [mark + b"\r\n" + _answer_part(content_id, *dispatch(call)) for content_id, call in calls]
    body = b"".join(pieces) + mark + b"--\r\n"
    return Reply(200, body, {"Content-Type": f"multipart/mixed; boundary={boundary}"})


def _answer_part(content_id: str | None, reply: Reply, body: bytes, headers: dict[str, str]) -> bytes:
    if reply.rewrite is not None:
        body = reply.rewrite(body)
    head = ["Content-Type: application/http"]
    if content_id is not None:
        head.append(f"Content-ID: {answer_id(content_id)}")
    inner = [f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}"]
    inner += [f"{name}: {value}" for name, value in headers.items()]
    inner += ["Vary: Origin", f"Content-Length: {len(body)}"]
    lines = [*head, "", *inner, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body + b"\r\n"
