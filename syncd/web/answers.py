"""Answers in JSON. Errors look the same everywhere: `{code, message, hint, exit_code}`.

Public: as_json, failure, refusal, status_of.
"""

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from syncd.control.errors import BUSY, CREDENTIAL, USAGE, ControlError
from syncd.control.failures import refusal_of
from syncd.sdk import SyncdError, redact

__all__ = ["as_json", "failure", "refusal", "status_of"]

BY_CODE = {"SYN-CONF-002": 404, "SYN-RUN-003": 409, "SYN-FEED-001": 410, "SYN-CONF-001": 422}
BY_EXIT = {USAGE: 422, BUSY: 503, CREDENTIAL: 502}


def as_json(value: Any, status: int = 200) -> Response:
    """The value as it is; half characters, which no encoding can send, are replaced."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Response(text.encode("utf-8", "replace"), status_code=status, media_type="application/json")


def status_of(error: ControlError) -> int:
    """The HTTP status of an error."""
    return error.status or BY_CODE.get(error.code) or BY_EXIT.get(error.exit_code, 500)


def failure(error: Exception) -> ControlError:
    """What is told of something that went wrong inside: what it is where the catalogue knows it, else its kind alone."""
    if isinstance(error, SyncdError):
        return refusal_of(error)
    return ControlError(f"unexpected {type(error).__name__}", hint="the daemon's log has the traceback", status=500)


def refusal(error: ControlError, headers: Mapping[str, str] | None = None) -> Response:
    """The answer to a request that is refused, secrets blotted out."""
    more = dict(headers or {})
    if error.retry_after:
        more["retry-after"] = str(error.retry_after)
    text = redact(json.dumps(error.to_json(), ensure_ascii=False))
    body = text.encode("utf-8", "replace")
    return Response(body, status_code=status_of(error), headers=more, media_type="application/json")
