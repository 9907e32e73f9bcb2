"""The configuration contract as JSON Schema (2020-12), but for what connectors add.

Public: core_schema, RESERVED, PRESETS, COMMON_OPTIONS.

Beside the standard keywords: `x-expects` and `x-message` word the problem, `x-secret` marks what must be a reference,
`format: syncd-…` names a check in `formats`.
"""

from typing import Any

from .formats import NAME

__all__ = ["COMMON_OPTIONS", "PRESETS", "RESERVED", "core_schema"]

Schema = dict[str, Any]
PRESETS = {"daily-2am": "0 2 * * *", "daily-4am": "0 4 * * *", "every-12h": "0 0,12 * * *"}
RESERVED = ("links", "webhooks", "profiles")


def core_schema() -> Schema:
    """A fresh copy, for callers to splice into."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "syncd configuration",
        "description": "One file of a syncd configuration folder. All files of the folder are merged.",
        **_object(
            {
                "version": {
                    "description": "Version of this format. Optional; 1 is the only one.",
                    "const": 1,
                    "x-message": "is a version that this syncd does not know: it knows 1",
                },
                "daemon": _daemon(),
                "connections": _named(_connection(), "connection", "Organisations at providers, by name."),
                "syncs": _named(_sync(), "sync", "What to mirror, by name."),
            }
        ),
    }


def _object(properties: Schema, *required: str, **more: Any) -> Schema:
    schema = {"type": "object", "properties": properties, "additionalProperties": False, **more}
    return {**schema, "required": list(required)} if required else schema


def _named(item: Schema, kind: str, description: str) -> Schema:
    names = {
        "pattern": NAME,
        "x-message": f"is not a name for a {kind}: up to 63 small letters, digits, '-', '_' and '.', "
        "a letter or digit first",
    }
    return {
        "description": description,
        "type": ["object", "null"],
        "propertyNames": names,
        "additionalProperties": item,
    }


def _text(description: str, **more: Any) -> Schema:
    return {"description": description, "type": "string", **more}


def _duration(description: str, format: str = "syncd-duration", **more: Any) -> Schema:  # noqa: A002 - the keyword's name
    return _text(description, format=format, **more)


def _patterns(description: str) -> Schema:
    item = {"type": "string", "format": "syncd-pattern"}
    return {"description": description, "type": "array", "items": item, "examples": [["*@acme.example"]]}


def _daemon() -> Schema:
    key = _text("A reference to the key.", **{"x-secret": True})
    url = _text("A reference, or an Apprise URL with a reference in it.", **{"x-secret": True})
    properties = {
        "store": _text(
            "Where records live: sqlite (in the state directory) or a PostgreSQL URL.",
            format="syncd-store",
            default="sqlite",
            examples=["sqlite", "postgresql+psycopg://syncd:${env:PGPASSWORD}@db.acme.example/syncd"],
        ),
        "listen": _text(
            "Address of dashboard and API. Anything but this machine needs a token.",
            format="syncd-listen",
            default="127.0.0.1:8642",
        ),
        "token": _text(
            "Token of the API: a reference, never written out.",
            examples=["${file:/etc/syncd/api-token}"],
            **{"x-secret": True},
        ),
        "concurrency": _count("Partitions read at the same time.", default=16),
        "encryption_keys": {
            "description": "Keys of the stored payloads: the first encrypts, all decrypt. Without, payloads are in clear.",
            "type": "array",
            "items": key,
            "examples": [["${credential:syncd-key}"]],
        },
        "notify": {
            "description": "Who is told when something needs a person: Apprise URLs, as references.",
            "type": "array",
            "items": url,
            "examples": [["${env:OPS_SLACK_URL}"]],
        },
        "retention": _retention(),
    }
    description = "The daemon itself; at most once in the folder. Every key has a default."
    return {**_object(properties, description=description), "type": ["object", "null"]}


def _retention() -> Schema:
    return _object(
        {
            "runs": _duration("Finished runs.", default="90d"),
            "tombstones": _duration("Records deleted at the source, with their last payload.", default="30d"),
            "versions": _duration("Superseded versions of records.", default="365d"),
        },
        description="How long what is no longer current is kept.",
    )


def _count(description: str, **more: Any) -> Schema:
    return {"description": description, "type": "integer", "minimum": 1, **more}


def _connection() -> Schema:
    accounts = {
        "include": _patterns("Addresses or patterns; without, every account."),
        "exclude": _patterns("Addresses or patterns that are left out."),
        "discovery": {
            "description": "When accounts are imported: by `syncd import` only, or before a run, at most daily.",
            "enum": ["manual", "automatic"],
            "default": "manual",
        },
    }
    properties = {
        "connector": _text("The plugin for the provider.", examples=["google"]),
        "settings": {"description": "What the connector asks for.", "type": ["object", "null"]},
        "accounts": _object(accounts, description="Which accounts of the organisation."),
        "limits": _limits(),
        "previous_name": _text("The name before a renaming: its state is taken over.", pattern=NAME),
    }
    return _object(properties, "connector", description="One organisation at one provider.")


def _limits() -> Schema:
    return _object(
        {
            "requests_per_second": {
                "description": "Requests per second, all accounts together.",
                "type": "number",
                "exclusiveMinimum": 0,
            },
            "concurrency": _count("Requests at the same time."),
            "max_wait": _duration("The longest that a run waits for the provider, per partition.", default="5m"),
        },
        description="Pacing. Replaces the connector's own, upwards too.",
    )


def _sync() -> Schema:
    accounts = {
        "include": _patterns("Addresses or patterns; without, every account of the connection."),
        "exclude": _patterns("Addresses or patterns that are left out."),
    }
    properties = {
        "connection": _text("The connection's name."),
        "streams": _streams(),
        "accounts": _object(accounts, description="Which of the connection's accounts."),
        "schedule": _schedule(),
        "enabled": {"description": "Whether the schedule is on.", "type": "boolean", "default": True},
        "pause_after": _count("Failed runs in a row that pause the sync.", default=3),
        "deletions": {
            "description": "What becomes of a record deleted at the source: tombstone, keep (stays live) or purge.",
            "enum": ["tombstone", "keep", "purge"],
            "default": "tombstone",
        },
        "max_delete": {
            "description": "More deletions in a run (share of an account's stream, from 10 on, or a count) wait for approval.",
            "type": ["string", "integer"],
            "format": "syncd-share",
            "minimum": 0,
            "default": "25%",
            "examples": ["25%", 100],
            "x-expects": "a percentage such as 25%, or a whole number of items",
        },
        "full_every": _duration("A full round at least this often.", format="syncd-period", default="30d"),
    }
    return _object(properties, "connection", "streams", description="Which streams of a connection, for whom, when.")


def _streams() -> Schema:
    return {
        "description": "A list of streams, or a mapping of streams to their options.",
        "type": ["array", "object"],
        "items": {"type": "string"},
        "minItems": 1,
        "uniqueItems": True,
        "minProperties": 1,
        "additionalProperties": {"description": "Options of the stream.", "type": ["object", "null"]},
        "examples": [["contacts", "calendar", "files", "mail"], {"mail": {"content": "full"}}],
        "x-expects": "a list of streams, or a mapping of streams to their options",
    }


def _schedule() -> Schema:
    names = sorted(PRESETS)
    zone = _text("Zone of the IANA list; UTC without.", format="syncd-timezone", examples=["Europe/Madrid"])
    kinds = {
        "oneOf": [{"required": ["cron"]}, {"required": ["every"]}, {"required": ["preset"]}],
        "x-message": "must have exactly one of cron, every and preset",
    }
    no_zone = {
        "not": {"required": ["every", "timezone"]},
        "x-message": "has a timezone beside every: an interval has no zone",
    }
    properties = {
        "cron": _text("Five fields, as in cron.", format="syncd-cron", examples=["0 2 * * 1-5"]),
        "timezone": zone,
        "every": _duration("An interval, at least 15s.", format="syncd-interval", examples=["15m"]),
        "preset": {"description": "A preset, to be taken in `timezone`.", "enum": names},
    }
    return {
        "description": "When to run: a preset (in UTC), a cron line or an interval.",
        "type": ["string", "object"],
        "default": "daily-2am",
        "examples": [*names, {"cron": "0 2 * * 1-5", "timezone": "Europe/Madrid"}, {"every": "15m"}],
        "x-expects": f"{', '.join(names)}, {{cron: …, timezone: …}} or {{every: …}}",
        "allOf": [
            {"if": {"type": "string"}, "then": {"enum": names, "x-hint": "or {cron: …, timezone: …}, or {every: …}"}},
            {"if": {"type": "object"}, "then": {"allOf": [kinds, no_zone]}},
        ],
        "properties": properties,
        "additionalProperties": False,
    }


def _common_options() -> dict[str, Schema]:
    """Options that every connector takes for the streams of these names, by contract."""
    return {
        "calendar": {
            "past": _duration("How far back, where the provider needs a window.", default="365d"),
            "future": _duration("How far ahead, where the provider needs a window.", default="730d"),
            "calendars": {
                "description": "All calendars that the provider lists, or those that the account owns or can write.",
                "enum": ["all", "owned"],
                "default": "owned",
            },
        },
        "files": {
            "content": {"description": "Whether the files' content is mirrored.", "type": "boolean", "default": True},
            "max_size": _text(
                "Larger contents are left out.",
                format="syncd-size",
                examples=["100MB"],
            ),
            "shared": {"description": "Whether shared drives and team folders are mirrored.", "type": "boolean"},
        },
        "mail": {
            "content": {
                "description": "Whole messages, or headers only.",
                "enum": ["full", "metadata"],
                "default": "full",
            },
            "spam_trash": {"description": "Whether spam and trash are mirrored.", "type": "boolean", "default": True},
        },
    }


COMMON_OPTIONS = _common_options()
