"""The accounts host."""

from typing import Any


def test_a_refresh_token_buys_an_access_token(site: Any) -> None:
    body = site.token().json()
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 3600
    assert body["api_domain"] == site.endpoints["crm"]
    assert "refresh_token" not in body
