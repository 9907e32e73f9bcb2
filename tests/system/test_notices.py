"""What operators are told by the daemon as a process, and how a refused credential comes back."""

import json
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.receivers import WebHook
from tests.system.site import Daemon, FakeSite, notes

REFUSED, WORKS = "the credential of acme is refused", "the credential of acme works again"


@pytest.fixture
def hook() -> Iterator[WebHook]:
    with WebHook() as hook:
        yield hook


@pytest.fixture
def told(site: FakeSite, hook: WebHook) -> FakeSite:
    """A site whose notices go to the hook, and whose key is in a file."""
    site.environment["OPS_URL"] = f"json://ops:pass-word-1234@127.0.0.1:{hook.port}/x"
    (site.folder / "key").write_text("the-first-key")
    write(site)
    site.run("import", "acme")
    return site


def write(site: FakeSite, **daemon: Any) -> None:
    """The configuration, with a channel."""
    settings = {"world": str(site.folder / "world.json"), "key": f"${{file:{site.folder / 'key'}}}"}
    document = {
        "version": 1,
        "daemon": {"listen": "127.0.0.1:0", "notify": ["${env:OPS_URL}"], **daemon},
        "connections": {"acme": {"connector": "fake", "settings": settings}},
        "syncs": site.syncs,
    }
    site.configure(json.dumps(document))


def run(daemon: Daemon, name: str = "nightly") -> None:
    daemon.http.post(f"/syncs/{name}/runs", json={}).raise_for_status()


def test_a_refused_credential_is_told_once_and_its_mending_once(told: FakeSite, hook: WebHook) -> None:
    told.syncs["second"] = {"connection": "acme", "streams": ["tasks"]}
    write(told)
    told.save(fail="auth")
    with told.daemon() as daemon:
        run(daemon)
        daemon.until(hook.titles)
        run(daemon, "second")  # by hand: refused again
        daemon.until(lambda: daemon.runs("second") and daemon.runs("second")[0]["status"] == "failed")
        told.save(fail=None)
        (told.folder / "key").write_text("the-second-key")
        daemon.until(lambda: len(hook.got) > 1)
        for name in ("nightly", "second"):
            daemon.until(lambda name=name: daemon.runs(name)[0]["status"] == "completed")  # type: ignore[misc]
        assert hook.titles() == [REFUSED, WORKS]
        assert daemon.sync()["state"] == "idle"
        assert not any(text in daemon.log.read_text() for text in ("pass-word-1234", "the-first-key", "the-second-key"))


def test_a_notice_survives_the_kill_of_the_daemon(told: FakeSite, hook: WebHook) -> None:
    told.save(fail="auth")
    hook.status = 503
    with told.daemon() as daemon:
        run(daemon)
        daemon.until(lambda: daemon.status()["problems"])
        daemon.stop(signal.SIGKILL)
    hook.status = 200
    with told.daemon() as daemon:
        daemon.until(hook.titles)
        assert hook.titles() == [REFUSED]
        daemon.until(lambda: not daemon.status()["problems"])


def test_a_failing_channel_is_a_problem_that_status_shows(told: FakeSite, hook: WebHook) -> None:
    told.save(fail="auth")
    hook.status = 403
    with told.daemon() as daemon:
        run(daemon)
        (problem,) = daemon.until(lambda: daemon.status()["problems"])
        assert problem["path"] == "daemon.notify"
        assert "${env:OPS_URL} fails since" in problem["message"]
        shown = told.run("status").stdout
        assert "403" in shown
        assert "is invalid" not in shown
        failed = told.run("notify", "--test", code=1)
        assert "${env:OPS_URL}: failed" in failed.stdout
        assert "pass-word-1234" not in failed.stdout + shown + json.dumps(problem)


def test_held_deletions_are_told_until_they_are_decided(told: FakeSite, hook: WebHook) -> None:
    with told.daemon() as daemon:
        run(daemon)
        daemon.until(lambda: daemon.sync()["last_run"])
        told.save(notes={"ann@acme.example": [], "bob@acme.example": notes("b", 3)})
        run(daemon)
        daemon.until(hook.titles)
        assert hook.titles() == ["nightly holds 12 deletions"]
        told.run("approve", "nightly")
        daemon.until(lambda: len(hook.got) > 1)
        assert hook.titles()[1:] == ["nightly holds no deletions any more"]


def test_an_invalid_folder_is_told_and_that_it_is_valid_again(told: FakeSite, hook: WebHook) -> None:
    with told.daemon() as daemon:
        told.configure("version: 1\nsyncs: {nightly: {connection: acme, strems: [notes]}}\n")
        daemon.until(hook.titles)
        write(told)
        daemon.until(lambda: len(hook.got) > 1)
        assert hook.titles() == ["the configuration folder is invalid", "the configuration folder is valid again"]
        assert "strems" in hook.got[0]["message"]


def test_another_url_is_used_without_a_restart(told: FakeSite, hook: WebHook) -> None:
    with WebHook() as other, told.daemon() as daemon:
        (told.folder / "url").write_text(f"json://127.0.0.1:{other.port}/y")
        write(told, notify=[f"${{file:{told.folder / 'url'}}}"])
        daemon.until(lambda: str(told.folder / "url") in daemon.http.get("/notices").text)
        told.save(fail="auth")
        run(daemon)
        daemon.until(other.titles)
        assert (hook.titles(), other.titles()) == ([], [REFUSED])


def test_a_command_without_a_daemon_tells_what_its_run_brought(told: FakeSite, hook: WebHook) -> None:
    told.save(fail="auth")
    told.run("sync", "nightly", code=77)
    assert hook.titles() == [REFUSED]
    told.run("sync", "nightly", code=77)
    told.run("resume", "nightly", code=77)
    assert hook.titles() == [REFUSED]
    told.save(fail=None)
    assert told.json("resume", "nightly")["state"] == "resumed"
    assert hook.titles() == [REFUSED, WORKS]


def test_resuming_with_a_credential_that_is_still_refused_says_so_and_changes_nothing(told: FakeSite) -> None:
    told.save(fail="auth")
    with told.daemon() as daemon:
        run(daemon)
        daemon.until(lambda: daemon.sync()["paused"])
        refused = told.run("resume", "nightly", code=77)
        assert "the credential of acme is still refused: the key is refused" in refused.stderr
        assert daemon.sync()["paused"]["code"] == "SYN-AUTH-001"
        told.save(fail="down")
        assert "could not be tried: the provider is down" in told.json("resume", "nightly")["note"]
        assert daemon.sync()["paused"] is None
