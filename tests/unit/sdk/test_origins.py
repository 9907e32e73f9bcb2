"""Where a connection may send requests, as its settings and its connector say."""

import pytest

from syncd.sdk import Secret, origins_of
from syncd.sdk.origins import within


def test_every_url_of_the_settings_counts_wherever_it_stands() -> None:
    settings = {
        "root": "https://api.example.com/v1/",
        "endpoints": {"token": "http://127.0.0.1:9000/token", "mail": "https://api.example.com"},
        "mirrors": ["https://user:word@eu.example.com:8443/x", ("https://[::1]:8000",)],
        "client_secret": Secret(lambda: "https://secret.example", "${env:X}"),
        "note": "see https://example.org",
        "port": 80,
        "wrong": ["https://", "https://x:99999", "ftp://files.example.com", "http://[", "//api.example.com"],
    }
    assert origins_of(settings) == [
        "http://127.0.0.1:9000",
        "https://[::1]:8000",
        "https://api.example.com",
        "https://eu.example.com:8443",
    ]


@pytest.mark.parametrize(
    ("host", "patterns", "named"),
    [
        ("files.example.com", ["files.example.com"], True),
        ("FILES.example.com.", ["files.Example.com"], True),
        ("a.b.example.com", ["*.example.com"], True),
        ("example.com", ["*.example.com"], False),
        ("badexample.com", ["*.example.com"], False),
        ("a.example.com.evil.test", ["*.example.com"], False),
        ("anything", ["*"], True),
        ("anything", [], False),
        ("", ["*.example.com"], False),
    ],
)
def test_a_host_is_named_by_itself_or_by_what_it_lies_below(host: str, patterns: list[str], named: bool) -> None:
    assert within(host, patterns) is named
