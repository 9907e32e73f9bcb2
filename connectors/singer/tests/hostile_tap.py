"""A tap that misbehaves as its configuration's `mode` says."""

import json
import os
import signal
import sys
import time


def say(**message: object) -> None:
    print(json.dumps(message), flush=True)


def schema(stream: str = "items", keys: tuple[str, ...] = ("id",)) -> None:
    say(type="SCHEMA", stream=stream, schema={"properties": {}}, key_properties=list(keys))


def record(number: object = 1, **more: object) -> None:
    say(type="RECORD", stream="items", record={"id": number, "text": "x", **more})


def sleep_for_ever() -> None:
    while True:
        time.sleep(1000)


def fork(then: object = sleep_for_ever, apart: bool = False) -> None:
    if os.fork() == 0:
        if apart:
            os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        then()  # type: ignore[operator]


def note(config: dict) -> None:
    """Write down this process: a test asks later whether it is still there."""
    with open(config["pids"], "a") as file:
        file.write(f"{os.getpid()}\n")


def floods_stderr(config: dict) -> None:
    schema()
    for _ in range(300):
        os.write(2, b"WARNING something or other happened in here\n" * 300)
    os.write(2, b"y" * 3_000_000)
    record()


def prints_secrets(config: dict) -> None:
    schema()
    print(f"ERROR the password is {config['login']['password']}, config {json.dumps(config)}", file=sys.stderr)
    sys.exit(f"cannot sign in with {config['login']['password']}")


def forks_children(config: dict) -> None:
    schema()
    for apart in (False, True):
        fork(lambda: (note(config), sleep_for_ever()), apart)
    while len(open(config["pids"]).readlines() if os.path.exists(config["pids"]) else ()) < 2:  # noqa: SIM115
        time.sleep(0.01)
    record()


def hangs(config: dict) -> None:
    schema()
    record(1)
    say(type="STATE", value={"at": 1})
    note(config)
    sleep_for_ever()


def streams_for_ever(config: dict) -> None:
    note(config)
    schema()
    number = 0
    while True:
        number += 1
        record(number, text="x" * 500)


def eats_memory(config: dict) -> None:
    schema()
    held = []
    while True:
        held.append(bytearray(50_000_000))


def endless_line(config: dict) -> None:
    schema()
    sys.stdout.write('{"type": "RECORD", "stream": "items", "record": {"id": "')
    while True:
        sys.stdout.write("x" * 1_000_000)


def invalid_json(config: dict) -> None:
    schema()
    record()
    print("connecting to the database ...")


def no_object(config: dict) -> None:
    schema()
    say(type="RECORD", stream="items", record=["what?"])
    record()


def no_key(config: dict) -> None:
    schema()
    say(type="RECORD", stream="items", record={"text": "no id"})
    record()


def bad_text(config: dict) -> None:
    schema()
    print('{"type": "RECORD", "stream": "items", "record": {"id": "\\ud800"}}')
    record()


def wrong_schema(config: dict) -> None:
    say(type="SCHEMA", stream="items", schema="none", key_properties="id")
    record()


def no_schema(config: dict) -> None:
    record()


def state_first(config: dict) -> None:
    say(type="STATE", value={"at": 1_000_000})
    schema()
    for number in range(600):
        record(number)
    sys.exit(3)


def states_between(config: dict) -> None:
    schema()
    for number in (1, 2):
        record(number)
        say(type="STATE", value={"at": number})
    record(3)
    sys.exit(config["version"])


def exits_midway(config: dict) -> None:
    schema()
    for number in range(600):
        record(number)
        if number == 299:
            say(type="STATE", value={"at": number})
    print("CRITICAL the far end hung up", file=sys.stderr)
    sys.exit(1)


def ends_without_success_after_a_state(config: dict) -> None:
    schema()
    say(type="STATE", value={"at": 1})
    os.kill(os.getpid(), signal.SIGSEGV)


def says_nothing(config: dict) -> None:
    pass


def other_streams(config: dict) -> None:
    schema()
    schema("others")
    say(type="RECORD", stream="others", record={"id": 9})
    say(type="PROGRESS", done=0.5)
    record()


def batches(config: dict) -> None:
    schema()
    say(type="BATCH", stream="items", encoding={}, manifest=["file:///etc/passwd"])


def keyless(config: dict) -> None:
    schema(keys=())
    record(None, _sdc_extracted_at=str(time.time()))
    record(None, _sdc_extracted_at=str(time.time()))


def long_numbers(config: dict) -> None:
    schema(keys=("id",) if config["version"] else ())
    for number in ("0.12345678901234567890", "0.12345678901234567891", str(2**80), str(2**80 + 1), "0.5"):
        print('{"type": "RECORD", "stream": "items", "record": {"id": %s}}' % number)  # noqa: UP031
    print('{"type": "RECORD", "stream": "items", "record": {"id": 1e999}}')


def mixed_ids(config: dict) -> None:
    schema()
    record(1)
    record("1")


def huge_state(config: dict) -> None:
    schema()
    record()
    say(type="STATE", value="x" * 300_000)


def activates(config: dict) -> None:
    schema()
    say(type="ACTIVATE_VERSION", stream="items", version=config["version"])
    record()
    record(2, _sdc_deleted_at="2026-11-21T00:00:00Z")
    say(type="STATE", value={"at": 2})


def shows_surroundings(config: dict) -> None:
    schema()
    folder = os.path.dirname(sys.argv[sys.argv.index("--config") + 1])
    modes = {name: oct(os.stat(os.path.join(folder, name)).st_mode & 0o777) for name in sorted(os.listdir(folder))}
    modes["."] = oct(os.stat(folder).st_mode & 0o777)
    record("x", folder=folder, modes=modes, environment=sorted(os.environ), config=sorted(config))


def main() -> None:
    with open(sys.argv[sys.argv.index("--config") + 1]) as file:
        config = json.load(file)
    if "--discover" not in sys.argv:
        globals()[config["mode"]](config)
    elif config["mode"] == "bad_catalog":
        print('{"streams": [1]}')
    else:
        print(json.dumps({"streams": [{"tap_stream_id": "items", "stream": "items", "schema": {}, "metadata": []}]}))


if __name__ == "__main__":
    main()
