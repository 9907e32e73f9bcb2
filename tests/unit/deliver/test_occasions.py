"""What operators should know, from the facts alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from syncd.config.model import Config, ConnectionConfig, CronSchedule, EverySchedule, SyncConfig
from syncd.config.problem import Problem
from syncd.deliver.occasions import Situation, ending, occasions
from syncd.store import NoticeRow, SyncState

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=30)
MINUTE = EverySchedule(timedelta(minutes=1))


def config(*names: str, schedule: CronSchedule | EverySchedule = MINUTE) -> Config:
    syncs = {name: SyncConfig(name, "acme", {"mail": {}, "files": {}}, schedule=schedule) for name in names}
    return Config(connections={"acme": ConnectionConfig("acme", "fake")}, syncs=syncs)


def facts(*names: str, **more: object) -> Situation:
    states = {name: SyncState(name) for name in names}
    base = Situation(config(*names), states, NOW, watched=dict.fromkeys(names, LONG_AGO))
    return replace(base, **more)  # type: ignore[arg-type]


def keys(situation: Situation) -> list[str]:
    return [one.key for one in occasions(situation)]


def paused(name: str, code: str) -> SyncState:
    return SyncState(name, paused="auto", code=code, reason="acme: the key is refused", since=NOW)


def test_nothing_is_said_of_what_is_well() -> None:
    assert keys(facts("a", oldest={("acme", "mail"): NOW - timedelta(seconds=100)})) == []


def test_a_refused_credential_is_one_occasion_however_many_syncs_rest() -> None:
    (one,) = occasions(facts("a", "b", states={name: paused(name, "SYN-AUTH-001") for name in "ab"}))
    assert one.key == "credential:acme"
    assert "the key is refused. Paused: a, b." in one.text


def test_each_sync_that_failures_paused_is_one() -> None:
    assert keys(facts("a", "b", states={name: paused(name, "SYN-RUN-001") for name in "ab"})) == [
        "paused:a",
        "paused:b",
    ]


def test_the_code_that_says_most_is_named() -> None:
    def text(code: str, reason: str) -> str:
        (one,) = occasions(facts("a", states={"a": replace(paused("a", code), reason=reason)}))
        return one.text

    assert text("SYN-AUTH-001", "acme: refused").endswith("More: syncd explain SYN-AUTH-001")
    assert text("SYN-AUTH-001", "acme: refused (SYN-MICROSOFT-007)").endswith("More: syncd explain SYN-MICROSOFT-007")
    assert text("SYN-RUN-001", "three runs: down (SYN-NET-001)").endswith("More: syncd explain SYN-NET-001")
    assert text("SYN-RUN-001", "see (SYN-NET-001) below").endswith("More: syncd explain SYN-RUN-001")


def test_held_deletions_are_counted_over_the_streams_of_a_sync() -> None:
    held = {("acme", "mail"): 3, ("acme", "files"): 9, ("other", "mail"): 100}
    (one,) = occasions(facts("a", held=held))
    assert (one.key, one.title) == ("held:a", "a holds 12 deletions")


def test_an_invalid_folder_is_one_with_its_first_places() -> None:
    problems = [Problem("conf/a.yaml", line, 1, "", f"wrong {line}") for line in range(1, 15)]
    (one,) = occasions(facts(problems=problems))
    assert one.key == "config"
    assert "conf/a.yaml:1: wrong 1\n" in one.text
    assert one.text.endswith("and 4 more")


def test_a_sync_is_not_fresh_after_twice_its_interval() -> None:
    def old(seconds: int) -> dict[tuple[str, str], datetime]:
        return {("acme", "mail"): NOW - timedelta(seconds=seconds), ("acme", "files"): NOW}

    assert keys(facts("a", oldest=old(120))) == []
    (one,) = occasions(facts("a", oldest=old(121)))
    assert one.key == "not_fresh:a"
    assert one.text.startswith("mail: not complete since 2026-01-05 11:57 UTC")


def test_what_only_just_began_to_run_gets_the_time_of_an_interval() -> None:
    oldest = {("acme", "mail"): LONG_AGO}
    assert keys(facts("a", oldest=oldest, watched={"a": NOW - timedelta(seconds=60)})) == []
    assert keys(facts("a", oldest=oldest, watched={"a": NOW - timedelta(seconds=601)})) == ["not_fresh:a"]
    nightly = config("a", schedule=CronSchedule("0 2 * * *"))
    assert keys(facts("a", config=nightly, oldest=oldest, watched={"a": NOW - timedelta(minutes=11)})) == [
        "not_fresh:a"
    ]
    assert keys(facts("a", oldest=oldest, watched={})) == []  # off, or paused


def test_a_paused_sync_is_not_said_to_be_stale_as_well() -> None:
    oldest, states = {("acme", "mail"): LONG_AGO}, {"a": paused("a", "SYN-RUN-001")}
    assert keys(facts("a", oldest=oldest, states=states, watched={})) == ["paused:a"]
    told = facts("a", oldest=oldest, states=states, watched={}, told={"not_fresh:a"})
    assert keys(told) == ["paused:a", "not_fresh:a"]  # it was said before: that is not over


def test_what_was_said_to_be_stale_is_not_over_because_the_daemon_or_the_name_is_new() -> None:
    situation = facts("a", oldest={("acme", "mail"): LONG_AGO}, watched={"a": NOW})
    assert keys(situation) == []
    assert keys(replace(situation, told={"not_fresh:a"})) == ["not_fresh:a"]


def test_what_never_listed_anything_is_not_stale() -> None:
    assert keys(facts("a", oldest={})) == []


def test_the_end_of_each_kind_is_told_in_its_own_words() -> None:
    def row(key: str, kind: str, title: str = "a is paused") -> NoticeRow:
        return NoticeRow(key, kind, title, "", True, True, NOW, NOW)

    now = config("a")
    assert ending(row("credential:acme", "credential_refused"), now)[0] == "the credential of acme works again"
    assert ending(row("paused:a", "paused"), now)[0] == "a is resumed"
    assert ending(row("held:a", "held"), now)[0] == "a holds no deletions any more"
    assert ending(row("config", "config_broken"), now)[0] == "the configuration folder is valid again"
    assert ending(row("not_fresh:a", "not_fresh", "a is not fresh"), now)[0] == "over: a is not fresh"
    assert ending(row("paused:b", "paused"), now) == ("over: a is paused", "b is no longer configured.")
