"""Fixtures for all tests: the tiny models are made once a run, whichever worker asks first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings

from tests.tiny_model import make_tiny_model

LONG = tuple(
    f"tests/{name}" for name in ("training", "families", "evaluation", "optimizing", "service/test_openapi")
)
LONGEST = "tests/training/test_processes"  # minutes that no other worker can take a part of

# No test is about time, and a machine that is busy takes any.
settings.register_profile("limner", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("limner")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long and shares what a file has made.

    Towards the end workers take tests from each other, and a file that is taken apart makes everything again.
    """
    items.sort(key=lambda item: (not item.nodeid.startswith(LONGEST), not item.nodeid.startswith(LONG)))


def _made(factory: pytest.TempPathFactory, worker_id: str, name: str, make: Callable[[Path], object]) -> Path:
    base = factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    directory, made = shared / name, shared / f"{name}.made"
    with FileLock(shared / f"{name}.lock"):
        if not made.exists():
            make(directory)
            made.touch()
    return directory


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A complete model directory with random weights; copy it before changing it."""
    return _made(tmp_path_factory, worker_id, "tiny_model", make_tiny_model)


@pytest.fixture(scope="session")
def tiny_attngan(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The same of the AttnGAN family."""
    from tests.families.attngan.tiny import make_tiny_attngan

    return _made(tmp_path_factory, worker_id, "tiny_attngan", make_tiny_attngan)


@pytest.fixture(scope="session")
def tiny_matcher(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A matcher with random weights."""
    from tests.families.matcher.tiny import make_tiny_matcher

    return _made(tmp_path_factory, worker_id, "tiny_matcher", make_tiny_matcher)


@pytest.fixture(scope="session")
def tiny_parti(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The same of the Parti family."""
    from tests.families.parti.tiny import make_tiny_parti

    return _made(tmp_path_factory, worker_id, "tiny_parti", make_tiny_parti)


@pytest.fixture(scope="session")
def tiny_templates(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Graph templates of the tiny Stable Diffusion: u, v, v-encoder and t."""
    from limner.families.diffusion.template_export import write_templates
    from tests.families.diffusion.checkpoint.tiny_sd import FIRST, TEXT, VAE

    configs = {"u": ("unet", FIRST), "v": ("vae", VAE), "t": ("text_encoder", TEXT)}
    return _made(tmp_path_factory, worker_id, "tiny_templates", lambda place: write_templates(place, configs))
