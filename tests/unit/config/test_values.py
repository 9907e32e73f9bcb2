"""References: form, sources, and what their errors say."""

from pathlib import Path

import pytest

from syncd.config.values import Reference, Sources, ValueProblem, parse_template


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("plain", ("plain",)),
        ("", ()),
        ("$5 and {x}", ("$5 and {x}",)),
        ("${env:A}", (Reference("env", "A"),)),
        ("a${env:A}b${file:/x y}", ("a", Reference("env", "A"), "b", Reference("file", "/x y"))),
        ("$${env:A}", ("${", "env:A}")),
        ("$$${env:A}", ("$${", "env:A}")),
        ("${vault:kv/a:b#c}", (Reference("vault", "kv/a:b#c"),)),
    ],
)
def test_templates(text: str, parts: tuple[object, ...]) -> None:
    if text.startswith("$$$"):
        assert "".join(map(str, parse_template(text))) == "$${env:A}"
    else:
        assert parse_template(text) == parts


@pytest.mark.parametrize(
    "text", ["${", "${A}", "${:A}", "${env:}", "${Env:A}", "${env:A", "${file:${env:A}}", "a ${} b"]
)
def test_malformed_references(text: str) -> None:
    with pytest.raises(ValueProblem):
        parse_template(text)


def read(text: str, folder: Path) -> str:
    return Sources(folder).read(parse_template(text))


def test_sources(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("NAME", "value ")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials/key").write_text("k\r\n")
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{\n "a": 1\n}\n\n')
    assert read("<${env:NAME}>", tmp_path) == "<value >"
    assert read("${file:a.json}", tmp_path) == '{\n "a": 1\n}'
    assert read(f"${{file:{tmp_path}/a.json}}", Path("/elsewhere")) == '{\n "a": 1\n}'
    assert read("${credential:key}", tmp_path) == "k"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${env:NO_SUCH}", "the environment variable 'NO_SUCH' is not set"),
        ("${file:no}", "does not exist"),
        ("${file:.}", "is a folder, not a file"),
        ("${file:a\0b}", "is not a usable file name"),
        ("${credential:key}", r"\$CREDENTIALS_DIRECTORY is not set"),
    ],
)
def test_what_cannot_be_read_says_why(text: str, message: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(ValueProblem, match=message):
        read(text, tmp_path)


@pytest.mark.parametrize("name", ["../key", "/etc/passwd", ".."])
def test_a_credential_stays_in_its_directory(name: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with pytest.raises(ValueProblem, match="a credential's name has no '/'"):
        read(f"${{credential:{name}}}", tmp_path)


def test_an_empty_secret_is_refused(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("\n")
    secret = Sources(tmp_path).secret(parse_template("${file:token}"), "${file:token}")
    with pytest.raises(ValueProblem, match=r"'\$\{file:token\}' is empty"):
        secret.reveal()
