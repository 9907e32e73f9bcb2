"""Common ground: a clean environment, asyncio for every async test."""

import gc
import os

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the operator's own syncd, proxies or credentials."""
    for name in list(os.environ):
        if name.startswith("SYNCD_") or name in {"STATE_DIRECTORY", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET"}:
            monkeypatch.delenv(name)
        if name.lower() in {"http_proxy", "https_proxy", "all_proxy"}:
            monkeypatch.delenv(name)


def pytest_collection_finish() -> None:
    """Six thousand tests are there to stay: the collector need not look through them again and again."""
    gc.collect()
    gc.freeze()
