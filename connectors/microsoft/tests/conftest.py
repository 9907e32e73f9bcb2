"""Fixtures. What tests import stands in `microsoft_answers.py`, which is found beside them."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from microsoft_answers import Microsoft
from office import Office


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def microsoft() -> Microsoft:
    return Microsoft()


@pytest.fixture
def office() -> Office:
    return Office()
