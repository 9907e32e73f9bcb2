"""`python -m syncd_simulator google`: serve a demonstration organisation until interrupted.

Prints one line of JSON when ready: url, key_file (a path), admin (address of the administrator), control, endpoints.
"""

import argparse
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path

import orjson

from syncd_simulator.google.app import google_app
from syncd_simulator.google.seed import demo_organisation
from syncd_simulator.google.world import GoogleWorld
from syncd_simulator.server import serve


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM."""
    options = _options().parse_args(arguments)
    world = demo_organisation(options.seed, people=options.people)
    server = serve(google_app(world), options.port)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    key_file = _write_key(world, server.url, options.keyfile)
    ready = {
        "url": server.url,
        "key_file": str(key_file),
        "admin": next(user.address for user in world.users.values() if user.is_admin),
        "control": f"{server.url}/_sim",
        "endpoints": world.endpoints(server.url),
    }
    sys.stdout.write(orjson.dumps(ready).decode() + "\n")
    sys.stdout.flush()
    stopped.wait()
    server.stop()
    return 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="syncd-simulator", description=__doc__)
    parser.add_argument("provider", choices=["google"])
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--people", type=int, default=25)
    parser.add_argument("--keyfile", type=Path, help="where to write the service-account key")
    return parser


def _write_key(world: GoogleWorld, url: str, path: Path | None) -> Path:
    """The key file, readable by its owner only."""
    if path is None:
        path = Path(tempfile.mkdtemp(prefix="syncd-simulator-")) / "key.json"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(orjson.dumps(world.key_file(f"{url}/token")))
    return path


if __name__ == "__main__":
    sys.exit(main())
