"""What is wrong with settings is said offline, with file and line."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from syncd_http import HttpConnector

from syncd.config.catalog import Catalog
from syncd.config.loader import load
from syncd.config.schema import schema

from .page import PAGE, blocks

CATALOG = Catalog.of([HttpConnector()])
WRONG = {
    "an id that is nowhere said": ("crm", "          id: id\n", "", "'settings.streams.contacts' of connection 'crm' needs 'id'"),
    "a word that is unknown": ("crm", "          records: data", "          recods: data", "unknown key 'recods'"),
    "a path that is none": ("crm", "records: data", "records: data..x", "is not a path: it makes no sense from its character 6 on"),
    "a placeholder that nothing fills": (
        "tracker", "{projects.id}/issues", "{project.id}/issues",
        "holds a placeholder that nothing fills: {project.id} (there are {account.id}, {account.address}, {projects.id})",
    ),
    "a parent that is not there": ("tracker", "for_each: projects", "for_each: project", "names a stream that is not there: 'project'"),
    "parents in a circle": (
        "tracker", "        projects:\n", "        projects:\n          for_each: comments\n",
        "leads in a circle: projects → comments → issues → projects",
    ),
    "a parent that is not asked for": (
        "tracker", "path: /projects/{projects.id}/issues", "path: /issues",
        "is of no use: {projects.id} is neither in path nor in params",
    ),
    "a secret written out": ("chat", '"${env:CHAT_KEY}"', "abc", "is a secret: it must be a reference"),
    "a secret deep in auth written out": ("crm", "${env:CRM_SECRET}", "abc", "'settings.auth.oauth2.client_secret' of connection 'crm' is a secret"),
    "a secret among the headers": (
        "crm", "      auth:", "      headers: {X-Api-Key: abc}\n      auth:", "belongs into auth.header, as a reference",
    ),
    "a secret among the parameters": (
        "crm", "          records: data", "          params: {api_key: abc}\n          records: data",
        "belongs into auth.query, as a reference",
    ),
    "a secret in a token request": (
        "crm", "client_id: syncd\n", "client_id: syncd\n          params: {audience: crm, token_type: x, password: hunter2}\n",
        "'settings.auth.oauth2.params.password' of connection 'crm' looks like a secret: it must be a reference",
    ),
    "a secret in a body": (
        "chat", "body: {page: {limit: 200}}", "body: {page: {limit: 200}, login: [{apiKey: hunter2}]}",
        "apiKey' of connection 'chat' looks like a secret: it must be a reference",
    ),
    "two ways to sign in": ("documents", "        bearer: ${env:DOCS_TOKEN}", "        bearer: ${env:DOCS_TOKEN}\n        query: {name: k, value: \"${env:DOCS_TOKEN}\"}",
        "must be exactly one of bearer, basic, header, query, oauth2"),
    "two ways of paging": (
        "crm", "            page: {", "            link_header: {}\n            page: {",
        "must be exactly one of page, offset, cursor, next_link, link_header",
    ),
    "plain http": ("crm", "base_url: https://", "base_url: http://", "must be https"),
    "a path with a query": ("crm", "path: /contacts", "path: /contacts?all=1", "must be a path that begins with / and holds no query"),
    "a path that climbs": ("crm", "path: /contacts", "path: /../contacts", "neither // at its beginning, nor . or .. within"),
    "changes without times": ("crm", "          modified: updated_at\n", "", "needs `modified`"),
    "a detail of nothing": ("tracker", '"/issues/{id}"', "/issues", "says nowhere which entry it is about: {id} is missing"),
    "a field that the kind has not": ("crm", "            name: [", "            nickname: [", "is no field of this kind: there are name, emails"),
    "an overlap that is none": ("crm", "overlap: 2m", "overlap: 2 minutes", "must be a duration"),
    "deletions told to nobody": (
        "chat", "          incremental:\n            sync_token: {path: sync_token, param: sync_token}\n", "",
        "needs `incremental`: a full listing shows deletions by itself",
    ),
    "a stream that is not described": ("crm", "streams: [contacts]", "streams: [contact]", "connection 'crm' has no stream 'contact'"),
    "no streams at all": ("crm", re.compile(r"      streams:\n        contacts:.*?(?=\nsyncs)", re.DOTALL), "      streams: {}\n", "must have at least 1 key"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CRM_SECRET", "TRACKER_PASSWORD", "DOCS_TOKEN", "CHAT_KEY"):
        monkeypatch.setenv(name, "a-secret-value")


def found_in(text: str, folder: Path, **more: Any) -> list[str]:
    (folder / "api.yaml").write_text(text)
    return [str(problem) for problem in load(folder, CATALOG, **more).problems]


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_with_its_line(case: str, tmp_path: Path) -> None:
    name, old, new, said = WRONG[case]
    good = blocks()[name]
    text = old.sub(new, good) if isinstance(old, re.Pattern) else good.replace(old, new, 1)
    assert text != good
    problems = found_in(text, tmp_path)
    assert any(said in problem for problem in problems), problems
    assert all(re.match(r".*api\.yaml:[0-9]+:[0-9]+: ", problem) for problem in problems)
    assert "a-secret-value" not in "".join(problems)


@pytest.mark.parametrize("name", blocks())
def test_the_examples_are_right_also_where_nothing_can_be_read(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for secret in ("CRM_SECRET", "TRACKER_PASSWORD", "DOCS_TOKEN", "CHAT_KEY"):
        monkeypatch.delenv(secret)
    assert found_in(blocks()[name], tmp_path, check_values=False) == []


def test_the_page_tells_every_word() -> None:
    page = PAGE.read_text()
    missing = sorted(
        word for word in words(HttpConnector.info.settings_schema) if not re.search(rf"`{word}\b|\b{word}:", page)
    )
    assert not missing


def words(part: Any) -> set[str]:
    """All keys that a schema knows."""
    if isinstance(part, dict):
        own = set(part["properties"]) if isinstance(part.get("properties"), dict) else set()
        return own.union(*(words(item) for item in part.values()))
    return set().union(*(words(item) for item in part)) if isinstance(part, list) else set()


@pytest.mark.parametrize("name", blocks())
def test_editors_take_the_examples(name: str) -> None:
    validator = Draft202012Validator(schema(CATALOG))
    document = yaml.safe_load(blocks()[name])
    assert [error.message for error in validator.iter_errors(document)] == []
    document["connections"][name]["settings"]["streams"]["other"] = {"path": "nowhere"}
    assert list(validator.iter_errors(document))


def test_a_setting_may_be_a_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = blocks()["crm"].replace("base_url: https://api.crm.example/v2", "base_url: ${env:CRM_ROOT}")
    assert found_in(text, tmp_path, check_values=False) == []
    monkeypatch.setenv("CRM_ROOT", "https://crm.example")
    assert found_in(text, tmp_path) == []


@pytest.mark.parametrize("known", [True, False])
def test_a_body_or_a_token_request_may_refer_to_a_secret(
    known: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if known:
        monkeypatch.setenv("SOME", "hunter2")
    body = "body: {page: {limit: 200}, sync_token: first, access_token: '${env:SOME}', user_token: '{account.id}', key: id}"
    text = blocks()["chat"].replace("body: {page: {limit: 200}}", body)
    assert found_in(text, tmp_path, check_values=known) == []
    params = "client_id: syncd\n          params: {token_type: bearer, password: '${env:SOME}'}\n"
    assert found_in(blocks()["crm"].replace("client_id: syncd\n", params), tmp_path, check_values=known) == []


def test_options_of_a_described_stream_are_checked(tmp_path: Path) -> None:
    text = blocks()["crm"].replace("streams: [contacts]", "streams: {contacts: {colour: red}}")
    assert any("unknown key 'colour'" in problem for problem in found_in(text, tmp_path))
