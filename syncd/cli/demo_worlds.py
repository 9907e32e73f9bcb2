"""The organisations of `syncd demo`: one simulated world per provider, and how to tell syncd about it.

Public: Organisation, organisations.
"""

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from syncd_simulator import serve

__all__ = ["Organisation", "organisations"]

SEED = 2026


@dataclass
class Organisation:
    """One simulated organisation. `streams`: what its sync mirrors; `secrets`: settings that go into files of their own.

    `expiring`: what `world.expire` takes to make every cursor too old. `note`: what a look at the counts would wonder at.
    """

    provider: str
    title: str
    world: Any
    app: Callable[[Any], Any]
    editor: Any
    settings: Callable[[str], dict[str, Any]]
    secrets: tuple[str, ...]
    streams: dict[str, dict[str, Any]]
    expiring: tuple[str, ...]
    note: str = ""
    url: str = field(default="", init=False)

    @property
    def connection(self) -> str:
        return f"acme-{self.provider}"

    @property
    def sync(self) -> str:
        return f"{self.provider}-mirror"

    def serve(self, stack: ExitStack) -> None:
        """Answer on a port of its own until the stack closes."""
        self.url = stack.enter_context(serve(self.app(self.world))).url

    def configure(self, folder: Path) -> None:
        """Write the YAML, and the secrets beside it."""
        settings = self.settings(self.url)
        for name in self.secrets:
            file = folder / f"{self.provider}-{name}"
            file.touch(mode=0o600)
            file.write_text(settings[name])
            settings[name] = f"${{file:{file}}}"
        (folder / "config" / f"{self.provider}.yaml").write_text(_yaml(self, settings))

    def random_edits(self, count: int) -> list[str]:
        """People at work: the names of what they did."""
        with self.world.lock:
            return [self.editor.random_edit() for _ in range(count)]

    def expire(self) -> None:
        """Every cursor that the provider has given out is too old from now on."""
        with self.world.lock:
            for user in list(self.world.users.values()):
                for kind in self.expiring:
                    self.world.expire(kind, user)


def _yaml(one: Organisation, settings: dict[str, Any]) -> str:
    lines = [
        "version: 1",
        "",
        "connections:",
        f"  {one.connection}:",
        f"    connector: {one.provider}",
        "    settings:",
        *(f"      {name}: {_flow(value)}" for name, value in settings.items()),
        "    limits: {requests_per_second: 2000, concurrency: 16}",
        "",
        "syncs:",
        f"  {one.sync}:",
        f"    connection: {one.connection}",
        f"    streams: {_flow(one.streams)}",
        "    schedule: {every: 15s}",
        "",
    ]
    return "\n".join(lines)


def _flow(value: Any) -> str:
    """JSON is YAML; plain texts need no quotes."""
    plain = isinstance(value, str) and value.startswith("${")
    return value if plain else json.dumps(value)


def organisations(people: int) -> list[Organisation]:
    """Fresh worlds of about this many people each."""
    return [_google(people), _microsoft(people), _zoho(people)]


def _google(people: int) -> Organisation:
    from syncd_simulator import Editor, demo_organisation, google_app

    world = demo_organisation(SEED, people)

    def settings(url: str) -> dict[str, Any]:
        return {
            "service_account": json.dumps(world.key_file(f"{url}/token")),
            "admin": next(user.address for user in world.users.values() if user.is_admin),
            "endpoints": world.endpoints(url),
        }

    return Organisation(
        "google", "Google Workspace", world, google_app, Editor(world, SEED), settings, ("service_account",),
        {"contacts": {}, "calendar": {"calendars": "all"}, "files": {}, "mail": {}},
        ("people", "calendar", "drive", "gmail"),
    )  # fmt: skip


def _microsoft(people: int) -> Organisation:
    from syncd_simulator.microsoft import Editor, demo_microsoft, microsoft_app

    world = demo_microsoft(SEED, people=people)
    return Organisation(
        "microsoft", "Microsoft 365", world, microsoft_app, Editor(world, SEED), world.settings, ("client_secret",),
        {"contacts": {}, "calendar": {}, "files": {}, "mail": {}},
        ("contacts", "calendar", "files", "mail"),
    )  # fmt: skip


def _zoho(people: int) -> Organisation:
    from syncd_simulator.zoho import Editor, demo_zoho, zoho_app

    world = demo_zoho(SEED, people)
    world.limits.enabled = False  # 20 mails a minute are no demonstration
    names = ("contacts", "calendar", "files", "mail", "crm_contacts", "crm_leads", "crm_events")
    return Organisation(
        "zoho", "Zoho", world, zoho_app, Editor(world, SEED), world.settings, ("client_secret", "refresh_token"),
        {name: {} for name in names},
        ("crm", "files"),
        "a Zoho token reads the data of the user whose it is: the others are accounts without data",
    )  # fmt: skip
