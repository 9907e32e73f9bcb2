"""Marked secrets in every secret place; then everything that syncd prints, logs and keeps is searched for them.

The real command, on a simulated organisation of each provider: with a good credential, with refused ones, with a token host
that echoes what it was sent, with `--debug`, with a daemon. Encoded forms count too.
"""

import base64
import json
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from syncd_simulator import SimClock, serve

from tests.support.process import Site
from tests.support.providers import PROVIDERS, Provider

pytestmark = pytest.mark.timeout(300)  # a dozen processes per test

MARK = "cAnAry-5eCret"
DAEMON = f"{MARK}-daemon-token"


def forms(secret: str) -> Iterator[str]:
    """The secret as it could turn up."""
    raw = secret.encode()
    yield secret
    yield urllib.parse.quote(secret, safe="")
    yield raw.hex()
    for shift in range(3):  # base64 of the secret anywhere inside a longer text
        yield base64.b64encode(b"\0" * shift + raw).decode()[4:-4]


def parts(secret: str) -> list[str]:
    """What of a setting is secret: of a key file the key's lines, else the whole."""
    try:
        key = json.loads(secret)["private_key"]
    except (ValueError, TypeError, KeyError):
        return [secret]
    return [line for line in key.splitlines() if not line.startswith("-----")]


class Searched:
    """A site whose every output is kept and searched in the end. `marked`: with secrets that are refused."""

    def __init__(self, folder: Path, provider: Provider, world: Any, url: str, *, marked: bool = False) -> None:
        streams: dict[str, Any] = {name: {} for name in provider.streams}
        self.provider, self.world = provider, world
        self.site = Site(folder, world, url, streams, provider=provider)
        self.path = self.site.config / "acme.yaml"
        settings = provider.settings(world, url)
        self.secrets = [part for name in provider.secrets for part in parts(settings[name])]
        if marked:
            self._mark(provider.sign_in(world, url, MARK))
        self.said: list[str] = []

    def _mark(self, settings: dict[str, Any]) -> None:
        document = json.loads(self.path.read_text())
        self.secrets = [DAEMON]
        for name, value in settings.items():
            if isinstance(value, str) and value.startswith(MARK):
                self.site.environment[name.upper()] = value
                self.secrets.append(value)
                settings = settings | {name: f"${{env:{name.upper()}}}"}
        self.site.environment["DAEMON_TOKEN"] = DAEMON
        document["connections"]["acme"]["settings"] = settings
        document["daemon"] = {"token": "${env:DAEMON_TOKEN}", "encryption_keys": []}
        self.path.write_text(json.dumps(document))

    def run(self, *arguments: str) -> None:
        done = self.site.process(*arguments)
        self.said.append(f"$ {arguments} → {done.returncode}\n{done.stdout}\n{done.stderr}")

    def run_all(self, commands: tuple[tuple[str, ...], ...]) -> None:
        for arguments in commands:
            self.run(*arguments)

    def everything(self) -> Iterator[tuple[str, bytes]]:
        for text in self.said:
            yield text.split("\n", 1)[0], text.encode()
        log = self.site.state.parent / "daemon.log"
        if log.exists():
            yield "daemon.log", log.read_bytes()
        for path in sorted(self.site.state.rglob("*")):
            if path.is_file():
                yield str(path.relative_to(self.site.state)), path.read_bytes()

    def leaks(self) -> list[str]:
        wanted = {form: secret for secret in self.secrets for form in forms(secret) if len(form) > 10}
        return [
            f"{where}: {secret[:12]}… as {form[:16]}…"
            for where, content in self.everything()
            for form, secret in wanted.items()
            if form.encode() in content
        ]


SIGNING_IN = (  # what asks the provider, and what tells of it afterwards
    ("check", "--json"),
    ("import", "acme"),
    ("--debug", "-vv", "sync", "all"),
    ("sync", "all", "--full", "--json"),
    ("history", "all", "--json"),
    ("show", "1", "--json"),
)
THE_REST = (
    ("validate", "--json"),
    ("status", "--json"),
    ("plan",),
    ("records", "--connection", "acme", "--stream", "contacts", "--ndjson"),
    ("connectors", "--json"),
)


ASKING = (("--debug", "-vv", "check"), ("import", "acme", "--json"))


@pytest.fixture(params=PROVIDERS.values(), ids=str)
def provider(request: pytest.FixtureRequest) -> Provider:
    found: Provider = request.param
    return found


@pytest.fixture
def world(provider: Provider) -> Any:
    return provider.unhurried(provider.tiny(3, SimClock()))


def test_a_credential_and_access_tokens_leave_no_trace(provider: Provider, world: Any, tmp_path: Path) -> None:
    with serve(provider.app(world)) as server:
        searched = Searched(tmp_path, provider, world, server.url)
        searched.run_all((*SIGNING_IN, *THE_REST, ("schema", provider.name)))
        with searched.site.daemon() as daemon:
            searched.said.append(json.dumps(daemon.sync()))
            searched.run("status", "--json")
            searched.run("sync", "all", "--json")
        searched.secrets += provider.tokens(world)
        assert provider.tokens(world)
        assert '"completed"' in "".join(searched.said)
        assert searched.leaks() == []


def test_refused_credentials_leave_no_trace(provider: Provider, world: Any, tmp_path: Path) -> None:
    with serve(provider.app(world)) as server:
        searched = Searched(tmp_path, provider, world, server.url, marked=True)
        searched.run_all(SIGNING_IN)
        assert f"SYN-{provider.name.upper()}" in "".join(searched.said)
        assert len(searched.secrets) > 1
        assert searched.leaks() == []


@pytest.mark.parametrize("status", [400, *(pytest.param(one, marks=pytest.mark.nightly) for one in (401, 500, 200))])
def test_a_token_host_that_echoes_secrets_spreads_none(
    provider: Provider, world: Any, tmp_path: Path, status: int
) -> None:
    with serve(provider.app(world)) as server:
        searched = Searched(tmp_path, provider, world, server.url, marked=True)
        text = " ".join(["bad", *searched.secrets[1:], *map(urllib.parse.quote, searched.secrets[1:])])
        answer = {"error": "invalid_grant", "error_description": text, "id_token": searched.secrets[-1]}
        world.faults.raw(status, json.dumps(answer).encode(), method=provider.token, times=None)
        for arguments in ASKING[:1] if status == 500 else ASKING:  # a host that is down is asked for up to a minute
            searched.run(*arguments)
        assert searched.leaks() == []


def test_an_api_that_echoes_the_access_token_spreads_none(provider: Provider, world: Any, tmp_path: Path) -> None:
    with serve(provider.app(world)) as server:
        searched = Searched(tmp_path, provider, world, server.url)
        searched.run("import", "acme")
        with searched.site.daemon() as daemon:
            searched.said.append(json.dumps(daemon.sync()))
            tokens = list(provider.tokens(world))
            error = {"error": {"code": 403, "message": f"no {' '.join(tokens)}", "status": "PERMISSION_DENIED"}}
            provider.tokens(world).clear()  # what the daemon holds is refused, and it asks for more
            world.faults.raw(403, json.dumps(error).encode(), api=provider.apis["contacts"], times=None)
            searched.said.append(json.dumps(daemon.sync()))
        searched.secrets += tokens[1:]  # the first is of the import, another process
        searched.run("show", "2", "--json")
        searched.secrets += provider.tokens(world)
        assert searched.leaks() == []


def test_a_secret_written_into_the_yaml_is_refused_and_not_repeated(
    provider: Provider, world: Any, tmp_path: Path
) -> None:
    with serve(provider.app(world)) as server:
        searched = Searched(tmp_path, provider, world, server.url, marked=True)
        path = searched.path
        secret = searched.site.environment["CLIENT_SECRET"]
        path.write_text(path.read_text().replace("${env:CLIENT_SECRET}", secret))
        for arguments in (("validate",), ("validate", "--json"), ("sync", "all"), ("run",), ("plan",)):
            searched.run(*arguments)
        assert "→ 78" in "".join(searched.said)
        assert searched.leaks() == []
