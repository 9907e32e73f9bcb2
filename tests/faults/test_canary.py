"""Marked secrets in every secret place; then everything that syncd prints, logs and keeps is searched for them.

The real command, on a simulated organisation: with a good credential, with refused ones, with a token host that echoes what
it was sent, with `--debug`, with a daemon. Encoded forms count too.
"""

import base64
import json
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from syncd_simulator import GoogleWorld, google_app, serve
from syncd_simulator.google.seed import tiny_organisation

from tests.support.process import Site

STREAMS: dict[str, Any] = {"contacts": {}, "calendar": {}, "files": {}, "mail": {}}
MARK = "cAnAry-5eCret"


def forms(secret: str) -> Iterator[str]:
    """The secret as it could turn up."""
    raw = secret.encode()
    yield secret
    yield urllib.parse.quote(secret, safe="")
    yield raw.hex()
    for shift in range(3):  # base64 of the secret anywhere inside a longer text
        yield base64.b64encode(b"\0" * shift + raw).decode()[4:-4]


def pem_lines(key: str) -> list[str]:
    return [line for line in key.splitlines() if not line.startswith("-----")]


class Searched:
    """A site whose every output is kept and searched in the end."""

    def __init__(self, site: Site, secrets: list[str]) -> None:
        self.site = site
        self.secrets = secrets
        self.said: list[str] = []

    def run(self, *arguments: str) -> None:
        done = self.site.process(*arguments)
        self.said.append(f"$ {arguments} → {done.returncode}\n{done.stdout}\n{done.stderr}")

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


COMMANDS = (
    ("validate", "--json"),
    ("check", "--json"),
    ("import", "acme"),
    ("--debug", "-vv", "sync", "all"),
    ("sync", "all", "--full", "--json"),
    ("status", "--json"),
    ("history", "all", "--json"),
    ("show", "1", "--json"),
    ("plan",),
    ("records", "--connection", "acme", "--stream", "contacts", "--ndjson"),
    ("schema", "google"),
    ("connectors", "--json"),
)


def tokens_of(world: GoogleWorld) -> list[str]:
    """Every access token that the simulated token host has handed out."""
    return list(world.credentials.tokens)


@pytest.fixture
def world() -> GoogleWorld:
    return tiny_organisation(3)


def service_account_site(folder: Path, world: GoogleWorld, url: str) -> Searched:
    site = Site(folder, world, url, STREAMS)
    key = json.loads((folder / "service_account").read_text())["private_key"]
    return Searched(site, pem_lines(key))


def installed_app_site(folder: Path, world: GoogleWorld, url: str, secret: str, refresh: str) -> Searched:
    site = Site(folder, world, url, STREAMS)
    document = json.loads((site.config / "acme.yaml").read_text())
    settings = document["connections"]["acme"]["settings"]
    for name in ("service_account", "admin"):
        del settings[name]
    settings |= {
        "client_id": world.client_id,
        "client_secret": "${env:CLIENT_SECRET}",
        "refresh_token": "${env:REFRESH_TOKEN}",
    }
    document["daemon"] = {"token": "${env:DAEMON_TOKEN}", "encryption_keys": []}
    (site.config / "acme.yaml").write_text(json.dumps(document))
    daemon = f"{MARK}-daemon-token"
    site.environment |= {"CLIENT_SECRET": secret, "REFRESH_TOKEN": refresh, "DAEMON_TOKEN": daemon}
    return Searched(site, [secret, refresh, daemon])


def run_all(searched: Searched) -> None:
    for arguments in COMMANDS:
        searched.run(*arguments)


def with_daemon(searched: Searched) -> None:
    with searched.site.daemon() as daemon:
        searched.said.append(json.dumps(daemon.sync()))
        searched.run("status", "--json")
        searched.run("sync", "all", "--json")


def test_a_private_key_and_access_tokens_leave_no_trace(world: GoogleWorld, tmp_path: Path) -> None:
    with serve(google_app(world)) as server:
        searched = service_account_site(tmp_path / "a", world, server.url)
        run_all(searched)
        with_daemon(searched)
        searched.secrets += tokens_of(world)
        assert len(searched.secrets) > 20
        assert '"completed"' in "".join(searched.said)
        assert searched.leaks() == []


def test_refused_credentials_leave_no_trace(world: GoogleWorld, tmp_path: Path) -> None:
    secret, refresh = f"GOCSPX-{MARK}-client", f"1//{MARK}-refresh"
    with serve(google_app(world)) as server:
        searched = installed_app_site(tmp_path / "b", world, server.url, secret, refresh)
        run_all(searched)
        assert "SYN-GOOGLE" in "".join(searched.said)
        assert searched.leaks() == []


@pytest.mark.parametrize("status", [400, 401, 500, 200])
def test_a_token_host_that_echoes_secrets_spreads_none(world: GoogleWorld, tmp_path: Path, status: int) -> None:
    secret, refresh = f"GOCSPX-{MARK}-client", f"1//{MARK}-refresh"
    text = f"bad secret {secret} with {refresh} and {urllib.parse.quote(refresh, safe='')}"
    answer = json.dumps({"error": "invalid_grant", "error_description": text, "id_token": secret}).encode()
    with serve(google_app(world)) as server:
        world.faults.raw(status, answer, api="token", times=None)
        searched = installed_app_site(tmp_path / "c", world, server.url, secret, refresh)
        for arguments in (
            ("import", "acme"),
            ("--debug", "-vv", "check"),
            ("check", "--json"),
            ("import", "acme", "--json"),
        ):
            searched.run(*arguments)
        assert searched.leaks() == []


def test_an_api_that_echoes_the_access_token_spreads_none(world: GoogleWorld, tmp_path: Path) -> None:
    with serve(google_app(world)) as server:
        searched = service_account_site(tmp_path / "d", world, server.url)
        searched.run("import", "acme")
        with searched.site.daemon() as daemon:
            searched.said.append(json.dumps(daemon.sync()))
            tokens = " ".join(tokens_of(world))
            error = {"error": {"code": 403, "message": f"no {tokens}", "status": "PERMISSION_DENIED"}}
            world.credentials.tokens.clear()  # what the daemon holds is refused, and it asks for more
            world.faults.raw(403, json.dumps(error).encode(), api="people", times=None)
            searched.said.append(json.dumps(daemon.sync()))
        searched.secrets += tokens.split()[1:]  # the first is of the import, another process
        searched.run("show", "2", "--json")
        searched.secrets += tokens_of(world)
        assert searched.leaks() == []


def test_a_secret_written_into_the_yaml_is_refused_and_not_repeated(world: GoogleWorld, tmp_path: Path) -> None:
    with serve(google_app(world)) as server:
        secret, refresh = f"GOCSPX-{MARK}-client", f"1//{MARK}-refresh"
        searched = installed_app_site(tmp_path / "e", world, server.url, secret, refresh)
        path = searched.site.config / "acme.yaml"
        path.write_text(path.read_text().replace("${env:CLIENT_SECRET}", secret))
        for arguments in (("validate",), ("validate", "--json"), ("sync", "all"), ("run",), ("plan",)):
            searched.run(*arguments)
        assert "→ 78" in "".join(searched.said)
        assert searched.leaks() == []
