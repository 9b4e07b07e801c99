from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from limner.service.app import create_app
from tests.service.fake_studio import FakeStudio
from tests.service.running import running


@pytest.fixture
def studio() -> FakeStudio:
    return FakeStudio()


@pytest.fixture
def url(tmp_path: Path, studio: FakeStudio) -> Iterator[str]:
    """A service over the fake studio: three jobs may wait, one is drawn at a time."""
    with running(create_app(tmp_path, studio, queue_limit=3, parallel=1, drain_seconds=0.2)) as address:
        yield address
