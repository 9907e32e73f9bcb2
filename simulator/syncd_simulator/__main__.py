"""`python -m syncd_simulator google|microsoft|zoho`: serve a demonstration organisation until interrupted.

Prints one line of JSON when ready: provider, url, settings_file (the settings of a connection to it, secrets in clear),
admin (address of an administrator), control, endpoints; for Google key_file too. Both files are readable by their owner
only.
"""

import argparse
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from syncd_simulator.server import serve

JSON = dict[str, Any]


@dataclass
class Served:
    """A world, its application, and what a connection to it needs, given the server's URL."""

    world: Any
    app: Any
    settings: Callable[[str], JSON]


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM."""
    options = _options().parse_args(arguments)
    served = PROVIDERS[options.provider](options.seed, options.people)
    server = serve(served.app, options.port)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    sys.stdout.write(orjson.dumps(_ready(options, served, server.url)).decode() + "\n")
    sys.stdout.flush()
    stopped.wait()
    server.stop()
    return 0


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="syncd-simulator", description=__doc__)
    parser.add_argument("provider", choices=list(PROVIDERS))
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--people", type=int, default=25)
    parser.add_argument("--settings", type=Path, help="where to write the settings of a connection (JSON)")
    parser.add_argument("--keyfile", type=Path, help="google: where to write the service-account key")
    return parser


def _ready(options: argparse.Namespace, served: Served, url: str) -> JSON:
    settings = served.settings(url)
    ready = {
        "provider": options.provider,
        "url": url,
        "settings_file": str(_written(options.settings, "settings.json", orjson.dumps(settings))),
        "admin": next((user.address for user in served.world.users.values() if user.is_admin), None),
        "control": f"{url}/_sim",
        "endpoints": settings["endpoints"],
    }
    if options.provider == "google":
        ready["key_file"] = str(_written(options.keyfile, "key.json", settings["service_account"].encode()))
    return ready


def _written(path: Path | None, name: str, content: bytes) -> Path:
    """A file readable by its owner only; in a folder of its own if nobody says where."""
    if path is None:
        path = Path(tempfile.mkdtemp(prefix="syncd-simulator-")) / name
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    return path


def _google(seed: int, people: int) -> Served:
    from syncd_simulator.google.app import google_app
    from syncd_simulator.google.seed import demo_organisation

    world = demo_organisation(seed, people=people)

    def settings(url: str) -> JSON:
        return {
            "service_account": orjson.dumps(world.key_file(f"{url}/token")).decode(),
            "admin": next(user.address for user in world.users.values() if user.is_admin),
            "endpoints": world.endpoints(url),
        }

    return Served(world, google_app(world), settings)


def _microsoft(seed: int, people: int) -> Served:
    from syncd_simulator.microsoft import demo_microsoft, microsoft_app

    world = demo_microsoft(seed, people=people)
    return Served(world, microsoft_app(world), world.settings)


def _zoho(seed: int, people: int) -> Served:
    from syncd_simulator.zoho import demo_zoho, zoho_app

    world = demo_zoho(seed, people=people)
    return Served(world, zoho_app(world), world.settings)


PROVIDERS: dict[str, Callable[[int, int], Served]] = {"google": _google, "microsoft": _microsoft, "zoho": _zoho}


if __name__ == "__main__":
    sys.exit(main())
