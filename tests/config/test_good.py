"""Folders that must be accepted, by the loader and by the schema that editors use."""

import shutil
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest

from syncd.config.catalog import Catalog
from syncd.config.diff import display
from syncd.config.loader import load
from syncd.config.model import Config, CronSchedule, Deletions, EverySchedule, MaxDelete
from syncd.config.schema import schema
from syncd.config.tree import parse
from syncd.sdk import Secret

ROOT = Path(__file__).parents[2]
GOOD = Path(__file__).with_name("good")
EXAMPLES = sorted((ROOT / "config").rglob("*.yaml"))
ENVIRONMENT = {"PGPASSWORD": "pw-pw-pw", "MAIL_USER": "u", "MAIL_PASSWORD": "mail-password", "CONCURRENCY": "4"}
ENVIRONMENT |= {"SCHEME": "https", "HOST": "admin.acme.example", "PORT": "443", "WHEN": "daily-4am", "ON": "false"}


@pytest.mark.parametrize("case", sorted(GOOD.iterdir()), ids=lambda path: path.name)
def test_a_good_file_is_valid_without_its_values(case: Path, catalog: Catalog, tmp_path: Path) -> None:
    shutil.copy(case, tmp_path)
    loaded = load(tmp_path, catalog, check_values=False)
    assert loaded.problems == []
    assert isinstance(loaded.config, Config)


def test_the_example_folder_is_valid(catalog: Catalog) -> None:
    loaded = load(ROOT / "config", catalog, check_values=False)
    assert loaded.problems == []
    assert loaded.config is not None
    assert set(loaded.config.syncs) == {"meridian-nightly", "meridian-calendar", "meridian-mail"}


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda path: path.name)
def test_examples_name_the_schema_for_editors(file: Path) -> None:
    first = file.read_text().splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    assert (file.parent / first.partition("=")[2]).resolve() == ROOT / "config" / "syncd.schema.json"


@pytest.mark.parametrize("file", [*EXAMPLES, *sorted(GOOD.iterdir())], ids=lambda path: path.name)
def test_editors_find_nothing_wrong_with_good_files(file: Path, catalog: Catalog) -> None:
    tree, problems = parse(file.read_bytes(), file.name)
    assert problems == []
    errors = jsonschema.Draft202012Validator(schema(catalog)).iter_errors(tree.data)
    assert [error.message for error in errors] == []


def test_the_example_of_the_contract_gives_this_model(catalog: Catalog, tmp_path: Path) -> None:
    shutil.copy(GOOD / "design.yaml", tmp_path)
    config = load(tmp_path, catalog, check_values=False).config
    assert config is not None
    assert config.folder == str(tmp_path)
    assert config.daemon.encryption_keys == (Secret(str, "${credential:syncd-key}"),)
    assert config.daemon.retention.versions == timedelta(days=365)
    connection = config.connections["acme-google"]
    assert connection.settings["service_account"] == Secret(str, "${file:/etc/syncd/acme.json}")
    assert connection.accounts.include == ("*@acme.example",)
    assert connection.limits.concurrency == 8
    assert (connection.place.file, connection.place.line) == (f"{tmp_path}/design.yaml", 14)
    sync = config.syncs["acme-nightly"]
    assert list(sync.streams) == ["contacts", "calendar", "files", "mail"]
    assert sync.schedule == CronSchedule("0 2 * * *", "UTC", "daily-2am")
    assert (sync.max_delete, sync.deletions) == (MaxDelete(0.25, None), Deletions.TOMBSTONE)


def test_values_are_read_and_take_the_type_that_is_asked_for(catalog: Catalog, tmp_path: Path, monkeypatch) -> None:
    shutil.copy(GOOD / "everything.yml", tmp_path)
    (tmp_path / "refresh").write_text("refresh-token-value\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    loaded = load(tmp_path, catalog)
    assert loaded.problems == []
    config = loaded.config
    assert config is not None
    assert config.daemon.concurrency == 4
    assert config.daemon.store.reveal() == "postgresql+psycopg://syncd:pw-pw-pw@db.acme.example/syncd"
    google = config.connections["a.b_c-1"].settings
    assert google["client_secret"].reveal() == "vault value of kv/google#secret"
    assert google["refresh_token"].reveal() == "refresh-token-value"
    assert google["endpoints"]["admin"] == "https://admin.acme.example"
    assert display(google["endpoints"]["admin"]).startswith("${")  # what people are shown of it
    shop = config.connections["shop"].settings
    assert (shop["port"], shop["label"], shop["proxy_user"]) == (443, "no", "${x}")
    assert shop["tags"] == ["2024-01-01", "12:30:00", "0x1f", "007"]
    assert config.syncs["reference"].enabled is False
    assert config.syncs["reference"].schedule == CronSchedule("0 4 * * *", "UTC", "daily-4am")
    assert config.syncs["often"].schedule == EverySchedule(timedelta(seconds=15))
    assert config.syncs["cron"].schedule == CronSchedule("0 0 * * *", "Asia/Kathmandu")
    assert config.syncs["preset"].schedule == CronSchedule("0 4 * * *", "Europe/Madrid", "daily-4am")
    assert config.syncs["cron"].max_delete == MaxDelete(None, 0)
    assert config.syncs["preset"].max_delete == MaxDelete(0.025, None)
    assert config.syncs["cron"].streams == {"calendar": {}, "mail": {"content": "metadata"}}
