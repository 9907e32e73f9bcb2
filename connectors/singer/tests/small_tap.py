"""A Singer tap in a few lines: it reads a JSON file of items, and behaves."""

import argparse
import json
import sys

KEY = "updated"
SCHEMA = {"properties": {"id": {"type": "string"}, "updated": {"type": "integer"}}}


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("config", "catalog", "state"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--discover", action="store_true")
    given = parser.parse_args()
    config = read(given.config)
    if given.discover:
        print(json.dumps({"streams": [stream(name, SCHEMA) for name in config.get("streams", ["items"])]}))
        return
    print("INFO reading", file=sys.stderr)
    for entry in read(given.catalog)["streams"]:
        if entry["metadata"][0]["metadata"].get("selected"):
            sync(entry, config, read(given.state) if given.state else {})


def stream(name: str, schema: object) -> object:
    metadata = [{"breadcrumb": [], "metadata": {"table-key-properties": ["id"]}}]
    return {"tap_stream_id": name, "stream": name, "schema": schema, "metadata": metadata}


def sync(entry: dict, config: dict, state: dict) -> None:
    incremental = entry["metadata"][0]["metadata"]["replication-method"] == "INCREMENTAL"
    since = state.get("since", -1) if incremental else -1
    say(type="SCHEMA", stream=entry["stream"], schema=entry["schema"], key_properties=["id"])
    items = read(config["file"])
    for number, item in enumerate(sorted(items, key=lambda item: item[KEY])):
        if item[KEY] > since:
            say(type="RECORD", stream=entry["stream"], record=item)
            if incremental and number % 4 == 3:
                say(type="STATE", value={"since": item[KEY]})
    if incremental:
        say(type="STATE", value={"since": max((item[KEY] for item in items), default=-1)})


def say(**message: object) -> None:
    print(json.dumps(message))


def read(path: str) -> dict:
    with open(path) as file:
        return json.load(file)


if __name__ == "__main__":
    main()
