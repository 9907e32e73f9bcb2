"""`syncd keys`: a store in clear becomes an encrypted one, keys change, and a store without its key is left alone."""

import json
from typing import Any

from syncd.store.keys import generate
from tests.system.site import FakeSite

QUERY = ("records", "--connection", "acme", "--stream", "notes")


def give(site: FakeSite, *names: str) -> None:
    """Configure these environment variables as encryption keys, the first one encrypts."""
    for name in names:
        site.environment.setdefault(name, generate())
    site.configure()
    document = json.loads((site.config / "acme.yaml").read_text())
    document["daemon"]["encryption_keys"] = [f"${{env:{name}}}" for name in names]
    site.configure(json.dumps(document))


def mirrored(site: FakeSite) -> list[Any]:
    site.run("import", "acme")
    site.json("sync", "nightly")
    return records(site)


def records(site: FakeSite) -> list[Any]:
    found: list[Any] = site.json(*QUERY)
    return found


def on_disk(site: FakeSite) -> bytes:
    return b"".join(path.read_bytes() for path in site.state.rglob("*") if path.is_file())


def test_a_mirror_in_clear_is_encrypted_by_a_rotation_and_reads_the_same(site: FakeSite) -> None:
    before = mirrored(site)
    assert site.json("keys", "status") == {"encrypted": False, "keys": [], "data_keys": [], "clear": clear_of(site)}
    assert b"text of a1" in on_disk(site)
    give(site, "KEY_ONE")
    status = site.json("keys", "status")
    assert (status["encrypted"], status["clear"]["records"]) == (True, 15)
    report = site.json("keys", "rotate")
    assert (report["damaged"], report["sealed"]["records"], report["status"]["clear"]) == (0, 15, {})
    assert b"text of a1" not in on_disk(site)
    assert b"Note 1" not in on_disk(site)
    assert records(site) == before
    sha = before[0]["summary"]["blob"]["sha256"]
    assert site.run("blob", sha).stdout == f"text of {before[0]['source_id']}"
    (run,) = site.json("sync", "nightly")
    assert (run["counts"]["new"], run["counts"]["updated"]) == (0, 0)


def clear_of(site: FakeSite) -> Any:
    """What lies in clear, as the status says it: all of it."""
    found = site.json("keys", "status")["clear"]
    assert found["records"] == found["contents"] == 15
    return found


def test_a_key_that_was_replaced_is_not_needed_any_more(site: FakeSite) -> None:
    give(site, "KEY_ONE")
    before = mirrored(site)
    give(site, "KEY_TWO", "KEY_ONE")
    assert [one["needed"] for one in site.json("keys", "status")["keys"]] == [True, True]
    shown = site.run("keys", "rotate").stdout
    assert "no: it may be removed" in shown
    give(site, "KEY_TWO")
    assert records(site) == before


def test_a_new_data_key_encrypts_all_of_it_anew(site: FakeSite) -> None:
    give(site, "KEY_ONE")
    before = mirrored(site)
    report = site.json("keys", "rotate", "--data-key")
    assert report["sealed"]["records"] == report["sealed"]["contents"] == 15
    assert [one["values"] == {} for one in report["status"]["data_keys"]] == [True, False]
    assert records(site) == before


def test_without_its_key_nothing_starts_and_the_key_is_named(site: FakeSite) -> None:
    give(site, "KEY_ONE")
    mirrored(site)
    needed = site.json("keys", "status")["keys"][0]["key"]
    before = (site.state / "syncd.db").read_bytes()
    for names in ((), ("KEY_TWO",)):
        give(site, *names)
        error = site.json("status", code=78)["error"]
        assert error["code"] == "SYN-KEY-001"
        assert needed in error["message"]
        assert site.process("run", code=78).stderr.count("SYN-KEY-001") > 0
    assert (site.state / "syncd.db").read_bytes() == before


def test_what_is_no_key_is_refused_without_showing_it(site: FakeSite) -> None:
    for wrong in ("deadbeefdeadbeef", "not a key at all, but a secret", generate()[:-5]):
        site.environment["KEY_ONE"] = wrong
        give(site, "KEY_ONE")
        done = site.run("status", code=78)
        assert "SYN-KEY-002" in done.stderr
        assert "${env:KEY_ONE}" in done.stderr
        assert wrong not in done.stderr + done.stdout


def test_without_keys_there_is_nothing_to_rotate_and_check_says_so(site: FakeSite) -> None:
    assert site.json("keys", "rotate", code=78)["error"]["code"] == "SYN-KEY-004"
    assert "payloads lie in clear" in site.run("check").stdout
    give(site, "KEY_ONE")
    assert "payloads lie in clear" not in site.run("check").stdout


def test_a_generated_key_is_a_good_one_and_different_each_time(site: FakeSite) -> None:
    first, second = (site.run("keys", "generate").stdout.strip() for _ in range(2))
    assert first != second
    site.environment["KEY_ONE"] = first
    give(site, "KEY_ONE")
    assert site.json("keys", "status")["encrypted"]


def test_the_running_daemon_rotates(site: FakeSite) -> None:
    mirrored(site)
    give(site, "KEY_ONE")
    with site.daemon() as daemon:
        assert daemon.http.get("/keys").json()["clear"]["records"] == 15
        report = site.json("keys", "rotate")
        assert report["status"] == daemon.http.get("/keys").json()
        assert report["status"]["clear"] == {}
        assert len(records(site)) == 15
    assert b"text of a1" not in on_disk(site)
    assert site.environment["KEY_ONE"] not in daemon.log.read_text()
