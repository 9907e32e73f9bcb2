"""The API of a real daemon: its doors, its token, and what commands make of them."""

import json
import os
import re
import signal
import socket
import stat
import threading
import time

import httpx

from tests.system.site import Daemon, FakeSite

TOKEN = "the-token-of-the-operators"


def _address(daemon: Daemon, count: int = 1) -> str:
    """The address that it said it listens on, the `count`th time."""

    def said() -> list[str]:
        lines = [json.loads(line) for line in daemon.log.read_text().splitlines() if '"listening"' in line]
        return [line["addresses"][0] for line in lines]

    return str(daemon.until(lambda: said()[count - 1 :])[0])


def _get(address: str, path: str, token: str | None = None, **headers: str) -> httpx.Response:
    more = {} if token is None else {"authorization": f"Bearer {token}"}
    return httpx.get(f"http://{address}{path}", headers={**headers, **more}, timeout=20)


def test_no_door_opens_without_the_token(daemon: Daemon, site: FakeSite) -> None:
    address, file = _address(daemon), site.state / "api-token"
    token = file.read_text().strip()
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    for path in ("/api/v1/status", "/api/v1/openapi.json", "/metrics", "/"):
        assert _get(address, path).status_code == 401
        assert daemon.http.get(f"http://syncd{path}", auth=lambda request: request).status_code == 401
    assert _get(address, "/api/v1/status", token).json() == daemon.status()
    assert _get(address, "/healthz").status_code == 200
    daemon.until(lambda: _get(address, "/readyz").json()["ready"])
    assert _get(address, "/api/v1/status", token, host="evil.example").status_code == 421
    assert token not in daemon.log.read_text()


def test_a_browser_logs_in_and_works_with_its_session(daemon: Daemon, site: FakeSite) -> None:
    address = _address(daemon)
    token = (site.state / "api-token").read_text().strip()
    with httpx.Client(base_url=f"http://{address}", headers={"accept": "text/html"}, timeout=20) as browser:
        assert browser.get("/").headers["location"] == "/login"
        assert browser.post("/login", data={"token": "wrong"}).status_code == 401
        assert browser.post("/login", data={"token": token}).status_code == 303
        assert browser.get("/").status_code == 200
        assert browser.post("/api/v1/syncs/nightly/disable").status_code == 403
        assert daemon.sync()["enabled"] is True


def test_commands_find_the_token_that_the_daemon_made(daemon: Daemon, site: FakeSite) -> None:
    assert site.json("status")["daemon"]["running"] is True
    site.environment["SYNCD_TOKEN"] = "an-old-token-in-the-environment"
    assert site.json("status")["daemon"]["running"] is True  # the next one is tried


def test_a_command_that_can_read_no_token_says_what_to_do(daemon: Daemon, site: FakeSite) -> None:
    file = site.state / "api-token"
    token = file.read_text()
    file.rename(site.state / "elsewhere")
    refused = site.run("status", code=77)
    assert "SYN-API-001" in refused.stderr
    assert "SYNCD_TOKEN" in refused.stderr
    site.environment["SYNCD_TOKEN"] = "wrong-token"
    assert "none of the tokens" in site.run("status", code=77).stderr
    site.environment["SYNCD_TOKEN"] = token
    assert site.json("status")["daemon"]["running"] is True


def test_a_configured_token_opens_and_the_made_one_no_longer_does(site: FakeSite) -> None:
    (site.config / "token").write_text(TOKEN + "\n")
    _configure(site, token="${file:token}")
    with site.daemon() as daemon:
        address = _address(daemon)
        assert not (site.state / "api-token").exists()
        assert _get(address, "/api/v1/status", TOKEN).status_code == 200
        assert site.json("status")["daemon"]["running"] is True
        (site.config / "token").write_text("another-token-from-now-on\n")
        assert _get(address, "/api/v1/status", TOKEN).status_code == 401
        assert _get(address, "/api/v1/status", "another-token-from-now-on").status_code == 200
        assert TOKEN not in daemon.log.read_text()


def _configure(site: FakeSite, **daemon: str) -> None:
    path = site.config / "acme.yaml"
    document = json.loads(path.read_text())
    document["daemon"] = {"listen": "127.0.0.1:0", **daemon}
    site.configure(json.dumps(document))


def test_address_and_token_change_under_a_running_daemon(daemon: Daemon, site: FakeSite) -> None:
    before = _address(daemon)
    made = (site.state / "api-token").read_text().strip()
    site.save(gate=str(site.gate))
    daemon.http.post("/syncs/nightly/runs", json={}).raise_for_status()
    site.environment["SYNCD_TOKEN"] = TOKEN
    (site.config / "token").write_text(TOKEN)
    _configure(site, listen="127.0.0.2:0", token="${file:token}")
    after = _address(daemon, 2)
    assert after.startswith("127.0.0.2:")
    assert _get(after, "/api/v1/status", TOKEN).json()["syncs"][0]["state"] == "running"
    assert _get(after, "/api/v1/status", made).status_code == 401
    daemon.until(lambda: _refuses(before))
    assert site.json("status")["syncs"][0]["state"] == "running"
    site.gate.touch()


def _refuses(address: str) -> bool:
    host, _, port = address.partition(":")
    with socket.socket() as door:
        return door.connect_ex((host, int(port))) != 0


def test_an_address_in_use_keeps_the_daemon_from_nothing_else(site: FakeSite) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        _configure(site, listen=f"127.0.0.1:{other.getsockname()[1]}")
        with site.daemon() as daemon:
            daemon.until(lambda: "SYN-API-005" in daemon.log.read_text())
            (problem,) = daemon.status()["problems"]
            assert (problem["path"], "already in use" in problem["message"]) == ("daemon.listen", True)
            other.close()
            _address(daemon)
            daemon.until(lambda: not daemon.status()["problems"])


def test_an_open_address_without_a_token_is_an_invalid_folder(site: FakeSite) -> None:
    site.configure("version: 1\ndaemon:\n  listen: 0.0.0.0:8642\n")
    refused = site.process("run", code=78)
    assert re.search(r"acme\.yaml:3:\d+: .*needs 'daemon\.token'", refused.stderr)


def test_open_streams_do_not_hold_the_daemon_up(daemon: Daemon, site: FakeSite) -> None:
    address, heard = _address(daemon), threading.Event()
    ends: list[str] = []

    def watch() -> None:
        token = (site.state / "api-token").read_text().strip()
        headers = {"authorization": f"Bearer {token}"}
        with httpx.stream("GET", f"http://{address}/api/v1/events", headers=headers, timeout=30) as answer:
            for line in answer.iter_lines():
                heard.set()
                ends.append(line)

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert heard.wait(20)
    began = time.monotonic()
    assert daemon.stop(signal.SIGTERM) == 0
    watcher.join(20)
    assert json.loads(ends[0].removeprefix("data: ")) == {"event": "hello"}
    assert "exceeded" not in daemon.log.read_text()  # nothing had to be cut
    assert time.monotonic() - began < 15


def test_watchers_hear_of_what_commands_do(daemon: Daemon, site: FakeSite) -> None:
    with daemon.http.stream("GET", "/events") as answer:
        lines = (json.loads(line[5:]) for line in answer.iter_lines() if line.startswith("data:"))
        assert next(lines) == {"event": "hello"}
        site.json("disable", "nightly")
        assert next(lines) == {"event": "sync", "sync": "nightly"}
