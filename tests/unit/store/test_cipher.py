"""Keys as people write them, values as they are sealed, files in frames."""

import base64
import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.store import BadKey, Damaged, KeysMissing, generate, parse_key
from syncd.store.cipher import CLEAR, DATA, NAME, REST, SUMMARY, is_sealed, number_of, of_record, of_row
from syncd.store.files import FRAME, SealedFile, read_sealed
from syncd.store.keys import key_id
from syncd.store.sealed import DataKey, Sealed

KEY = bytes(range(32))
HERE = of_record(1, 2, "people/c1")


def sealed(*secrets: bytes) -> Sealed:
    return Sealed(lambda: {number: DataKey(number, secret) for number, secret in enumerate(secrets or (KEY,), 1)})


# -- keys


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(KEY).decode(),
        base64.b64encode(KEY).decode().rstrip("="),
        base64.urlsafe_b64encode(KEY).decode(),
        KEY.hex(),
        KEY.hex().upper(),
        f"  {KEY.hex()}\n",
        base64.b64encode(KEY).decode() + "\n",
    ],
)
def test_a_key_is_32_bytes_in_base64_or_hexadecimal_digits(text: str) -> None:
    assert parse_key(text, "k") == KEY


@pytest.mark.parametrize(
    "text", ["", "secret", KEY.hex()[:-2], base64.b64encode(KEY[:-1]).decode(), "é" * 44, "=" * 44]
)
def test_anything_else_is_refused_by_its_reference_alone(text: str) -> None:
    with pytest.raises(BadKey) as refused:
        parse_key(text, "${credential:syncd-key}")
    assert "${credential:syncd-key}" in str(refused.value)
    assert not text or text not in str(refused.value)
    assert refused.value.code == "SYN-KEY-002"


def test_generated_keys_are_good_and_never_the_same() -> None:
    keys = {parse_key(generate(), "k") for _ in range(20)}
    assert len(keys) == 20
    assert len({key_id(key) for key in keys}) == 20


def test_a_keys_id_says_nothing_of_the_key() -> None:
    assert key_id(KEY) == hashlib.sha256(b"syncd key\0" + KEY).hexdigest()[:12]


# -- values


@given(st.binary(max_size=5000), st.sampled_from([DATA, SUMMARY, REST]))
def test_what_is_sealed_opens_again_at_its_place_only(raw: bytes, column: bytes) -> None:
    cipher = sealed()
    kept = cipher.seal(raw, column, HERE)
    assert cipher.open(kept, column, HERE) == raw
    assert number_of(kept[:3]) == 1
    for other_column, place in (
        (NAME, HERE),
        (column, of_record(1, 2, "people/c2")),
        (column, of_record(1, 3, "people/c1")),
    ):
        with pytest.raises(Damaged):
            cipher.open(kept, other_column, place)


@given(st.text())
def test_texts_come_back_as_they_were(text: str) -> None:
    cipher = sealed()
    kept = cipher.seal_text(text, NAME, HERE)
    assert kept.isascii()
    assert cipher.open_text(kept, NAME, HERE) == text
    assert number_of(kept[:5]) == 1


def test_nothing_stays_nothing_and_clear_values_are_read_as_they_lie() -> None:
    cipher = sealed()
    assert cipher.seal(None, DATA, HERE) is None
    assert cipher.open(None, DATA, HERE) is None
    assert cipher.open(b'{"a": 1}', DATA, HERE) == b'{"a": 1}'
    assert cipher.open_text("a name", NAME, HERE) == "a name"
    assert (number_of(b'{"a'), number_of("a nam"), number_of("")) == (0, 0, 0)


@given(st.integers(0, 200), st.integers(0, 7))
def test_every_flipped_bit_is_found(place: int, bit: int) -> None:
    cipher = sealed()
    kept = bytearray(cipher.seal(b"x" * 170, DATA, HERE))
    kept[place % len(kept)] ^= 1 << bit
    if kept[:1] in (b"\x01", b"\x02"):
        with pytest.raises(Damaged):
            cipher.open(bytes(kept), DATA, HERE)


def test_large_payloads_are_compressed_before_they_are_sealed() -> None:
    cipher, raw = sealed(), b'{"text": "' + b"again and again " * 1000 + b'"}'
    kept = cipher.seal(raw, DATA, HERE)
    assert len(kept) < len(raw) / 10
    assert cipher.open(kept, DATA, HERE) == raw


def test_the_newest_data_key_seals_and_all_open() -> None:
    old, both = sealed(KEY), sealed(KEY, os.urandom(32))
    before = old.seal(b"{}", DATA, HERE)
    assert both.open(before, DATA, HERE) == b"{}"
    assert number_of(both.seal(b"{}", DATA, HERE)[:3]) == 2
    assert both.digest(b"{}") != old.digest(b"{}")
    assert both.aliases("blob", "ff") == (both.alias("blob", "ff"), old.alias("blob", "ff"), "ff")


def test_an_alias_is_of_one_kind_and_one_key_and_shows_nothing() -> None:
    cipher = sealed()
    assert cipher.alias("blob", "ff") == cipher.alias("blob", "ff")
    assert cipher.alias("blob", "ff") != cipher.alias("hash", "ff")
    assert is_sealed(cipher.alias("blob", "ff"))
    assert not is_sealed(CLEAR.alias("blob", "ff"))


def test_nothing_in_clear_can_look_sealed() -> None:
    """An unreadable item, or a file's name, may begin with anything."""
    for hostile in (b"\x01\x00\x01rest", b"\x02\x00\x01rest"):
        assert sealed().open(CLEAR.seal(hostile, REST, HERE), REST, HERE).endswith(b"rest")
    assert sealed().open_text(CLEAR.seal_text("\x01AAAA", NAME, HERE), NAME, HERE) == "\ufffdAAAA"


def test_a_process_without_keys_does_not_take_ciphertext_for_data() -> None:
    for read in (
        lambda: CLEAR.open(sealed().seal(b"{}", DATA, HERE), DATA, HERE),
        lambda: CLEAR.open_text(sealed().seal_text("a", NAME, HERE), NAME, HERE),
    ):
        with pytest.raises(KeysMissing):
            read()


def test_an_error_names_the_record_for_people() -> None:
    kept = sealed().seal(b"{}", DATA, HERE)
    with pytest.raises(Damaged, match="the stored data of people/c9 in stream 1 is damaged"):
        sealed().open(kept, DATA, of_record(1, 2, "people/c9"))
    with pytest.raises(Damaged, match="the stored rest of quarantine 7"):
        sealed().open(kept, REST, of_row("quarantine", 7))


# -- files


@pytest.mark.parametrize("size", [0, 1, FRAME - 1, FRAME, FRAME + 1, 3 * FRAME, 3 * FRAME + 5])
@pytest.mark.parametrize("step", [1000, FRAME, 10 * FRAME])
def test_files_of_every_length_come_back_whole(tmp_path: Path, size: int, step: int) -> None:
    raw = os.urandom(size)
    path = write(tmp_path / "f", raw, step)
    assert b"".join(read_sealed(path, hashlib.sha256(raw).hexdigest(), lambda _: KEY)) == raw
    assert path.stat().st_size == 80 + size + 16 * max(1, -(-size // FRAME))


def test_frames_cannot_change_places(tmp_path: Path) -> None:
    raw = os.urandom(3 * FRAME)
    path = write(tmp_path / "f", raw, FRAME)
    kept, frame = path.read_bytes(), FRAME + 16
    path.write_bytes(kept[:80] + kept[80 + frame : 80 + 2 * frame] + kept[80 : 80 + frame] + kept[80 + 2 * frame :])
    chunks = read_sealed(path, hashlib.sha256(raw).hexdigest(), lambda _: KEY)
    with pytest.raises(Damaged):
        next(chunks)


def test_equal_files_are_sealed_differently(tmp_path: Path) -> None:
    one, other = (write(tmp_path / name, b"the same", FRAME).read_bytes() for name in "ab")
    assert one[80:] != other[80:]


def write(path: Path, raw: bytes, step: int) -> Path:
    sealer = SealedFile(1, KEY, lambda kind, value: value)
    out = sealer.head() + b"".join(sealer.feed(raw[at : at + step]) for at in range(0, len(raw), step))
    end, head = sealer.finish(hashlib.sha256(raw).hexdigest(), len(raw))
    path.write_bytes(head + out[len(head) :] + end)
    return path
