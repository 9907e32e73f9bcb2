"""The settings as JSON Schema: what editors complete, and `syncd validate` checks with file and line.

Public: SCHEMA.
"""

from typing import Any

__all__ = ["SCHEMA"]

Schema = dict[str, Any]


def _text(description: str, **more: Any) -> Schema:
    return {"type": "string", "minLength": 1, "description": description, **more}


def _secret(description: str) -> Schema:
    return {"type": "string", "minLength": 1, "x-secret": True, "description": description}


def _object(
    description: str, required: tuple[str, ...] = (), extra: Schema | None = None, /, **properties: Any
) -> Schema:
    made: Schema = {
        "type": "object",
        "description": description,
        "additionalProperties": False,
        "properties": properties,
    }
    return {**made, **({"required": list(required)} if required else {}), **(extra or {})}


def _one_of(description: str, /, **properties: Any) -> Schema:
    alone = {"maxProperties": 1, "minProperties": 1, "x-message": f"must be exactly one of {', '.join(properties)}"}
    return _object(description, (), alone, **properties)


_SCALAR = {"type": ["string", "number", "boolean"]}
_NUMBER = {"type": "integer", "minimum": 1, "maximum": 10_000}


def _path(description: str) -> Schema:
    return _text(f"{description} A path such as data.items or emails[*].value; $ is the whole.")


def _paths(description: str) -> Schema:
    many = {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1, "maxItems": 8}
    expects = "a path, or a list of paths"
    return {
        "type": ["string", "array"],
        "minLength": 1,
        **_without_type(many),
        "description": description,
        "x-expects": expects,
    }


def _without_type(schema: Schema) -> Schema:
    return {word: value for word, value in schema.items() if word != "type"}


def _url_path(description: str) -> Schema:
    expects = "a path that begins with / and holds no query: parameters go into params"
    return _text(description, pattern=r"^/[^?#\s\\]*$", **{"x-expects": expects})


def _duration(description: str, **more: Any) -> Schema:
    return _text(description, format="syncd-duration", **more)


def _texts(description: str) -> Schema:
    return {"type": "object", "description": description, "additionalProperties": {"type": "string"}}


def _when(description: str) -> Schema:
    one = {
        "oneOf": [{"required": [word]} for word in ("equals", "in", "contains", "present")],
        "x-message": "must have exactly one of equals, in, contains and present, beside path",
    }
    return {
        "type": "object",
        "description": description,
        "allOf": [one],
        "additionalProperties": False,
        "required": ["path"],
        "properties": {
            "path": _path("What is looked at."),
            "equals": {**_SCALAR, "description": "The value that it must have."},
            "in": {"type": "array", "items": _SCALAR, "minItems": 1, "description": "The values that it may have."},
            "contains": _text("A text that must be in it."),
            "present": {"type": "boolean", "description": "Whether it must be there (null counts as absent)."},
        },
    }


def _auth() -> Schema:
    oauth2 = _object(
        "OAuth2 (RFC 6749): client credentials, or with `refresh_token` a refresh token.",
        ("token_url", "client_id"),
        {"anyOf": [{"required": ["client_secret"]}, {"required": ["refresh_token"]}]},
        token_url=_text("The token endpoint.", format="syncd-endpoint"),
        client_id=_text("The client."),
        client_secret=_secret("Its secret."),
        refresh_token=_secret("A refresh token. One that the endpoint gives instead is kept."),
        scope=_text("Scopes, separated by spaces."),
        client_in={"enum": ["body", "basic"], "default": "body", "description": "How the client says who it is."},
        params=_texts("More parameters of the token request, such as audience."),
    )
    return _one_of(
        "How requests sign in. Without it the API is open.",
        bearer=_secret("A token, sent as `Authorization: Bearer …`."),
        basic=_object(
            "User and password.", ("username", "password"), username=_text("User."), password=_secret("Password.")
        ),
        header=_object(
            "A header of its own.",
            ("name", "value"),
            name=_text("The header's name.", pattern=r"^[A-Za-z0-9-]+$"),
            value=_secret("Its value."),
            prefix={"type": "string", "description": "Text before the value, such as `Token `."},
        ),
        query=_object(
            "A parameter of every request. A header is better where there is a choice: URLs end up in logs.",
            ("name", "value"),
            name=_text("The parameter's name."),
            value=_secret("Its value."),
        ),
        oauth2=oauth2,
    )


def _positions(what: str, default: str, /, **more: Any) -> Schema:
    ends = "What ends a listing without total and more: an empty page (safe), or one with less than size entries."
    return _object(
        what,
        **more,
        param=_text("The parameter.", default=default),
        size=_NUMBER | {"description": "Entries per page."},
        size_param=_text("The parameter for size."),
        total=_path("Where the number of all entries stands."),
        more=_path("Where true or false says whether there are more."),
        ends={"enum": ["empty", "short"], "default": "empty", "description": ends},
    )


def _pagination() -> Schema:
    cursor = _object(
        "The answer has a token for the next page; none: the last page.",
        ("path", "param"),
        path=_path("Where the token stands."),
        param=_text("The parameter that takes it; for a POST, its place in the body (variables.after)."),
        more=_path("Where true or false says whether there are more."),
    )
    return _one_of(
        "How a listing goes on. Without it a listing is one answer.",
        page=_positions("By page numbers.", "page", start={"type": "integer", "minimum": 0, "default": 1}),
        offset=_positions("By the number of entries before the page.", "offset"),
        cursor=cursor,
        next_link=_object("The answer has the next page's URL.", ("path",), path=_path("Where it stands.")),
        link_header=_object("The Link header has it (RFC 8288).", rel=_text("Its relation.", default="next")),
    )


def _listing() -> Schema:
    """What a stream and the list of accounts have in common."""
    return {
        "path": _url_path("Path below base_url, with placeholders: {account.id}, or {STREAM.id} of for_each."),
        "method": {"enum": ["GET", "POST"], "default": "GET"},
        "params": {
            "type": "object",
            "description": "Parameters of the query. For a POST, parts of its body go into body.",
            "additionalProperties": {"type": ["string", "number", "boolean", "array"], "items": _SCALAR},
        },
        "headers": _texts("Headers of these requests."),
        "body": {"description": "JSON body of a POST. A text that is a placeholder and nothing else is filled."},
        "records": _path("Where the list of entries stands.") | {"default": "$"},
        "optional_records": {
            "type": "boolean",
            "default": False,
            "description": "Whether the list may be absent where there are no entries. Otherwise that is an error.",
        },
        "pagination": _pagination(),
        "id": _paths("Where an entry's id stands; several paths make one id of several parts."),
        "id_type": {
            "enum": ["text", "number"],
            "description": "What ids are in JSON. An entry whose id is something else is an error, not another entry.",
        },
    }


def _incremental() -> Schema:
    since = _object(
        "A parameter gives what was modified since a time. It needs `modified`.",
        ("param",),
        param=_text("The parameter."),
        overlap=_duration("How far to go back behind the last change seen.", default="2m"),
        format={"enum": ["rfc3339", "date", "epoch", "epoch_ms"], "default": "rfc3339"},
    )
    token = _object(
        "The last page has a token from which the next round goes on.",
        ("param", "path"),
        param=_text("The parameter that takes the token."),
        path=_path("Where the token stands on the last page."),
    )
    return _one_of("How to ask for changes only.", modified_since=since, sync_token=token)


def _content() -> Schema:
    return _object(
        "Each entry has content: a file. Exactly one of path and url.",
        (),
        {
            "oneOf": [{"required": ["path"]}, {"required": ["url"]}],
            "x-message": "must have exactly one of path and url",
        },
        path=_url_path("Where it is, with {id}."),
        url=_path("Where the entry says the URL."),
        hosts={
            "type": "array",
            "items": _text("A host.", pattern=r"^(\*|(\*\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*)$"),
            "description": "Other hosts to which url and redirects may lead: cdn.example.org, *.example.org, or * for any. "
            "They are asked without the credential.",
        },
        tag=_path("What changes with the content. Without it: the checksum, else the time of modification."),
        size=_path("Its size in bytes."),
        md5=_path("Its MD5 in hex."),
        sha1=_path("Its SHA-1 in hex."),
        sha256=_path("Its SHA-256 in hex."),
        mime_type=_path("Its type."),
        when=_when("Which entries have content; all, without it."),
    )


def _stream() -> Schema:
    detail = _object(
        "A request for one entry: deletions are confirmed by it.",
        ("path",),
        path=_url_path("Its path, with {id}."),
        record=_path("Where the entry stands.") | {"default": "$"},
        hydrate={"type": "boolean", "default": False, "description": "Ask it for each listed entry, which holds less."},
    )
    return _object(
        "One kind of data.",
        ("path", "id"),
        **_listing(),
        title=_text("How people call it."),
        kind={"enum": ["contact", "event", "file", "message"], "description": "For the common views."},
        for_each=_text("A stream whose entries this one is asked for, one by one: {THAT.id} goes into the path."),
        identity={
            "enum": ["account", "partition"],
            "default": "account",
            "description": "Whether an id means one thing everywhere, or only within its entry of for_each.",
        },
        modified=_paths("When an entry was changed: the first path that has something."),
        etag=_path("Its version."),
        name=_path("Its name; for files, and for the parts that others make of this stream."),
        folder=_path("The id of the folder that it is in."),
        deleted=_when("Which entries say that they are deleted."),
        deleted_ids=_path("A list of ids of deleted entries, beside the entries."),
        summary={
            "type": "object",
            "description": "The common fields of the kind, by paths. Several texts are joined, several lists too.",
            "additionalProperties": _paths("One path or several."),
        },
        volatile={"type": "array", "items": _text("Path."), "description": "What is no change if it changes."},
        incremental=_incremental(),
        full_every=_duration("A full round at least this often."),
        detail=detail,
        content=_content(),
    )


def _accounts() -> Schema:
    return _object(
        "Where the people of the organisation are listed. Without it there is one account.",
        ("path", "id"),
        **_listing(),
        address=_path("Where the e-mail address stands."),
        name=_path("Where the name stands."),
        active=_when("Who is active. Others are known, and not read."),
    )


def _errors() -> Schema:
    means = ["rate_limited", "transient", "forbidden", "gone", "account_gone", "cursor_expired", "auth_failed",
             "protocol_error", "ignore"]  # fmt: skip
    number = {"type": "integer", "minimum": 200, "maximum": 599}
    status = {"type": ["integer", "array"], "minimum": 200, "maximum": 599, "items": number, "minItems": 1}
    rule = _object(
        "A rule: the first that fits an answer counts.",
        ("status", "means"),
        status={
            **status,
            "description": "Its status, or several.",
            "x-expects": "a status such as 403, or a list of them",
        },
        when=_when("What its body says."),
        means={"enum": means, "description": "What it means."},
    )
    return {"type": "array", "items": rule, "description": "What answers mean, where HTTP does not say it."}


def _rate_limit() -> Schema:
    return _object(
        "The headers in which the API says what is left. The pace itself is the connection's `limits`.",
        retry_after=_text("Seconds to wait, where it is not Retry-After."),
        remaining=_text("How many requests are left."),
        reset=_text("When there are more."),
        reset_format={"enum": ["seconds", "epoch", "rfc3339"], "default": "seconds"},
    )


SCHEMA: Schema = _object(
    "An API, described.",
    ("base_url", "streams"),
    {"title": "Any JSON API"},
    base_url=_text("The API's root, such as https://api.example.org/v1.", format="syncd-endpoint"),
    auth=_auth(),
    headers=_texts("Headers of every request."),
    account=_object(
        "The account that everything belongs to, where the API knows no people.",
        id=_text("Its id.", default="default"),
        address=_text("Its address; the API's host, without it."),
        name=_text("Its name."),
    ),
    accounts=_accounts(),
    errors=_errors(),
    rate_limit=_rate_limit(),
    streams={
        "type": "object",
        "minProperties": 1,
        "description": "The kinds of data, by name.",
        "propertyNames": {
            "pattern": "^[a-z][a-z0-9_-]{0,62}$",
            "x-message": "is not a name: a-z, 0-9, - and _, a letter first",
        },
        "additionalProperties": _stream(),
    },
)
