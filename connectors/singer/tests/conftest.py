"""What the tests share: taps as programs, and a driver that reads them."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], str]:
    """A script of this folder as an executable."""

    def make(script: str) -> str:
        return executable(tmp_path, script)

    return make


def executable(folder: Path, script: str) -> str:
    path = folder / script.removesuffix(".py").replace("_", "-")
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{HERE / script}" "$@"\n')
    path.chmod(0o700)
    return str(path)
