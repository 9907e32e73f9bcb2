"""A catalogue with a connector as DESIGN shows Google's, and one that shows what else schemas can say."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest

from syncd.config.catalog import Catalog
from syncd.sdk import Account, Connector, ConnectorInfo, Context, Page, Stream, StreamInfo

TEXT = {"type": "string", "minLength": 1}
SECRET = {"type": "string", "x-secret": True}
ENDPOINTS = ("people", "calendar", "drive", "gmail", "admin", "token")


class FakeStream(Stream):
    def __init__(self, name: str, options: Mapping[str, Any] | None = None) -> None:
        self.info = StreamInfo(name, options_schema=options or {})

    async def pages(self, ctx: Context) -> AsyncIterator[Page]:
        yield Page([], last=True)


class FakeConnector(Connector):
    def accounts(self, ctx: Context) -> AsyncIterator[Account]:
        raise NotImplementedError


class Google(FakeConnector):
    info = ConnectorInfo(
        "google",
        "Google Workspace",
        settings_schema={
            "type": "object",
            "properties": {
                "service_account": SECRET,
                "admin": TEXT,
                "client_id": TEXT,
                "client_secret": SECRET,
                "refresh_token": SECRET,
                "endpoints": {"type": "object", "properties": {key: {"type": "string"} for key in ENDPOINTS}},
            },
            "anyOf": [
                {"required": ["service_account", "admin"]},
                {"required": ["client_id", "client_secret", "refresh_token"]},
            ],
        },
    )

    def streams(self) -> Sequence[Stream]:
        return [FakeStream(name) for name in ("contacts", "calendar", "files", "mail")]


class Shop(FakeConnector):
    info = ConnectorInfo(
        "shop",
        settings_schema={
            "type": "object",
            "properties": {
                "region": {"enum": ["eu", "us"]},
                "port": {"type": "integer", "minimum": 1, "maximum": 65535},
                "sandbox": {"type": "boolean"},
                "keys": {"type": "array", "items": {"$ref": "#/$defs/key"}, "minItems": 1, "maxItems": 2},
                "login": {"oneOf": [{"$ref": "#/$defs/password"}, {"$ref": "#/$defs/anonymous"}]},
                "tags": {"type": "array", "uniqueItems": True, "items": TEXT},
                "proxy": TEXT,
                "proxy_user": TEXT,
                "label": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
            },
            "dependentRequired": {"proxy_user": ["proxy"]},
            "not": {"required": ["sandbox", "proxy"]},
            "required": ["region"],
            "additionalProperties": False,
            "$defs": {
                "key": SECRET,
                "password": {
                    "type": "object",
                    "properties": {"kind": {"const": "password"}, "user": TEXT, "password": SECRET},
                    "required": ["kind", "user", "password"],
                    "additionalProperties": False,
                },
                "anonymous": {
                    "type": "object",
                    "properties": {"kind": {"const": "anonymous"}},
                    "required": ["kind"],
                    "additionalProperties": False,
                },
            },
        },
    )

    def streams(self) -> Sequence[Stream]:
        options = {
            "properties": {
                "since": {"type": "string", "format": "syncd-duration"},
                "most": {"type": ["string", "null"], "format": "syncd-size"},
                "page": {"type": "integer", "multipleOf": 10},
                "state": {"type": "string", "pattern": "^[a-z]+$"},
            }
        }
        return [FakeStream("orders", options), FakeStream("refunds")]


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return Catalog.of(
        [Google(), Shop()],
        broken={"microsoft": "No module named 'msgraph_core'"},
        schemes={"vault": lambda argument: f"vault value of {argument}"},
    )
