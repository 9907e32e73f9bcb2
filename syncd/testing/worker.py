"""The process in which a connector is tested by `syncd test-connector`: it may hang, exit or eat memory alone.

Public: main. Run as `python -m syncd.testing.worker ASK` by `syncd.testing.runner`.

It says what it found, then reads jobs from stdin, one JSON object a line, and answers each on the descriptor that ASK
names. What the connector prints goes elsewhere. A job beyond its time ends the process, with a traceback on stderr: that
also holds for a loop without an `await`, which nothing inside Python can interrupt.
"""

import asyncio
import faulthandler
import json
import os
import resource
import sys
import traceback
from typing import IO, Any

from .checks import CHECKS, run_check
from .failures import Failed, Skipped
from .finding import NotFound, Subject, find

__all__ = ["main"]

LOADING = 60.0  # seconds that importing the connector and making a source may take
GRACE = 3.0  # seconds after which a check that did not heed its own limit is ended from outside of Python
MEMORY = (
    4 << 30
)  # bytes of address space; a connector that wants more is stopped by MemoryError, not by the machine's end


def main() -> None:
    """Serve until stdin ends."""
    ask = json.loads(sys.argv[1])
    jobs, replies = os.fdopen(os.dup(0)), os.fdopen(ask["replies"], "w")
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    _bound_memory()
    _limit(LOADING)
    subject = _introduced(ask, replies)
    faulthandler.cancel_dump_traceback_later()
    if subject is None:
        return
    for line in jobs:
        job = json.loads(line)
        _limit(ask["limit"])
        _say(replies, _done(subject, job, ask))
        faulthandler.cancel_dump_traceback_later()


def _limit(seconds: float) -> None:
    faulthandler.dump_traceback_later(seconds + GRACE, exit=True)


def _bound_memory() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    least = MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_AS, (least, hard))


def _introduced(ask: dict[str, Any], replies: IO[str]) -> Subject | None:
    """Find what is meant, and say what it is; None if nothing is found, or it cannot be used."""
    try:
        subject = find(ask["target"], ask["source"])
        said = {
            "connector": subject.connector.info.name,
            "folder": str(subject.folder),
            "streams": subject.streams(),
            "all_streams": subject.knows_streams,
            "checks": [{"name": check.name, "doc": check.doc, "many": check.many} for check in CHECKS.values()],
        }
    except NotFound as error:
        _say(replies, {"refused": str(error), "hint": error.hint})
    except Exception as error:
        told = traceback.format_exception(error)
        _say(replies, {"refused": f"{type(error).__name__}: {error}", "hint": "", "traceback": "".join(told)})
    else:
        _say(replies, said)
        return subject
    return None


def _done(subject: Subject, job: dict[str, Any], ask: dict[str, Any]) -> dict[str, str]:
    case = subject.case(job["stream"], ask["idle_requests"])
    try:
        asyncio.run(run_check(job["check"], case, job["seed"], limit=ask["limit"]))
    except Skipped as reason:
        return {"status": "skipped", "message": str(reason)}
    except Failed as error:
        return {"status": "failed", "message": str(error)}
    return {"status": "passed", "message": ""}


def _say(replies: IO[str], what: dict[str, Any]) -> None:
    replies.write(json.dumps(what) + "\n")
    replies.flush()


if __name__ == "__main__":
    main()
