"""Checks of single texts, as tables."""

import pytest

from syncd.config.formats import CHECKS, Invalid, has_literal_password, is_loopback, parse_listen


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        (
            "syncd-cron",
            ["0 2 * * 1-5", "*/15 9-17 * * MON", "@hourly", "0 0 L * *"],
            ["", "x", "60 * * * *", "0 0 31 2 *"],
        ),
        ("syncd-cron", ["0 0 29 2 *"], ["* * * * * *", "0 0 * * * 2024", "@reboot"]),
        ("syncd-timezone", ["UTC", "Europe/Madrid"], ["", "Europe", "europe/madrid", "../etc/passwd", "/etc", "a\0b"]),
        ("syncd-interval", ["15s", "1m"], ["14s", "0s", "often"]),
        ("syncd-share", ["0%", "25%", "2.5 %", "100%"], ["101%", "-1%", "25", "%", "1e1%"]),
        (
            "syncd-listen",
            ["127.0.0.1:0", "[::1]:80", "host.example:65535"],
            ["80", ":80", "h:65536", "1.2.3:80", "[x]:1"],
        ),
        ("syncd-store", ["sqlite", "postgresql+psycopg:///syncd"], ["", "sqlite:///x", "postgresql+psycopg://host"]),
        ("syncd-pattern", ["*@acme.example", "a"], ["", " a", "a\n"]),
        (
            "syncd-endpoint",
            ["https://a.example/x", "http://127.9.9.9:1", "http://x.localhost"],
            ["http://a", "//a", "a"],
        ),
        (
            "syncd-endpoint",
            ["http://[::1]/"],
            ["https://a?b", "https://a#", "https://a@b", "https://a:x", "https://[", ""],
        ),
        (
            "syncd-endpoint",
            [],
            ["http://127.0.0.1.evil.example", "http://localhost@evil.example", "https://a\\@b", "h\nttps://a"],
        ),
    ],
)
def test_checks(name: str, good: list[str], bad: list[str]) -> None:
    check = CHECKS[name]
    for text in good:
        check(text)
    for text in bad:
        with pytest.raises(ValueError, match=r"^(must|never|does)"):
            check(text)


def test_listen_gives_host_and_port() -> None:
    assert parse_listen("[::1]:8642") == ("::1", 8642)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost", "LocalHost.", "a.localhost"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "localhost.evil.example", "10.0.0.1", "127.0.0.1.nip.io", ""])
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("postgresql+psycopg://u:pw@h/d", True),
        ("postgresql+psycopg://u:${env:PW}@h/d", False),
        ("postgresql+psycopg://u@h:5432/d", False),
        ("postgresql+psycopg://h/d?password=pw", True),
        ("postgresql+psycopg://h/d?password=${env:PW}", False),
        ("sqlite", False),
    ],
)
def test_passwords_in_urls(text: str, literal: bool) -> None:
    assert has_literal_password(text) is literal


def test_a_bad_field_of_cron_is_named() -> None:
    with pytest.raises(Invalid, match=r"day of the month \(field 3 of 5\)"):
        CHECKS["syncd-cron"]("0 0 32 * *")
