"""Fixtures for all tests: the tiny model is made once a run, whichever worker asks first."""

from __future__ import annotations

from pathlib import Path

import pytest
from filelock import FileLock

from tests.tiny_model import make_tiny_model


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A complete model directory with random weights; copy it before changing it."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    directory = shared / "tiny_model"
    with FileLock(shared / "tiny_model.lock"):
        if not (directory / "limner.json").is_file():
            make_tiny_model(directory)
    return directory
