"""The settings as JSON Schema: what editors complete, and `syncd validate` checks with file and line.

Public: SCHEMA.
"""

from typing import Any

__all__ = ["SCHEMA"]

Schema = dict[str, Any]


def _text(description: str, **more: Any) -> Schema:
    return {"type": "string", "minLength": 1, "description": description, **more}


def _names(description: str) -> Schema:
    return {"type": "array", "items": {"type": "string", "minLength": 1}, "maxItems": 100, "description": description}


def _object(description: str, /, **properties: Any) -> Schema:
    return {
        "type": "object",
        "description": description,
        "additionalProperties": False,
        "properties": properties,
    }


def _duration(description: str) -> Schema:
    return _text(description, format="syncd-duration")


_STREAM = {
    **_object(
        "How a stream is read. Nothing: everything, each time.",
        tap_stream=_text("The stream's tap_stream_id in the tap's catalogue, where it is not the name here."),
        replication={
            "enum": ["full", "incremental", "log_based"],
            "default": "full",
            "description": "full: everything each time. incremental: what changed since the tap's state. log_based: the "
            "same, and the tap tells of deletions.",
        },
        replication_key=_text("The field by which the tap reads incrementally, where it leaves the choice."),
        key={**_names("The fields that name a record, instead of the tap's key_properties."), "minItems": 1},
        full_every=_duration("incremental and log_based: read everything this often; what is missing then is deleted."),
        exclude=_names("Top-level fields that the tap is told to leave out."),
        volatile=_names("Dotted paths of fields that change by themselves and count as no change."),
        kind={
            "enum": ["contact", "event", "file", "message"],
            "description": "What the records are, for the common views.",
        },
    ),
    "type": ["object", "null"],
}

SCHEMA: Schema = {
    **_object(
        "",
        tap=_text("The tap's program: a name in venv or in $PATH, or an absolute path."),
        venv=_text("The Python environment in which the tap is installed."),
        config={"type": "object", "description": "The tap's own configuration, without its secrets."},
        credentials={
            "type": "object",
            "description": "What is secret in the tap's configuration; auth.token is the key token inside auth.",
            "additionalProperties": {"type": "string", "minLength": 1, "x-secret": True},
        },
        catalog=_text("A file with the tap's catalogue (what `TAP --discover` prints). Without it, the tap is asked."),
        catalog_flag={
            "enum": ["--catalog", "--properties"],
            "default": "--catalog",
            "description": "How the tap takes its catalogue; some old ones say --properties.",
        },
        streams={
            "type": "object",
            "description": "The streams by name. Without it, all of catalog.",
            "minProperties": 1,
            "propertyNames": {"pattern": "^[a-z][a-z0-9_-]{0,62}$"},
            "additionalProperties": _STREAM,
        },
        account=_object(
            "The account to which everything belongs.",
            id=_text("Never change it."),
            address=_text("How the account is shown and selected; by itself the tap's name."),
            name={"type": "string"},
        ),
        memory=_text("What a process of the tap may use.", format="syncd-size", default="2GiB"),
        timeout=_duration("How long the tap may run for one round; killed then, it goes on from its last state."),
    ),
    "required": ["tap"],
}
