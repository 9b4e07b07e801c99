"""What is measured in processes of their own is measured in this one, or not: they take longer to start than a few
pictures take."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from limner.evaluation import bench, comparing, run


@pytest.fixture(autouse=True)
def no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check here, and leave the memory unknown; the cards that fixtures of a whole file make have all of it."""
    for module in (run, comparing):
        monkeypatch.setattr(module, "workers", lambda: ThreadPoolExecutor(1))
    monkeypatch.setattr(bench, "memory_of", lambda *given: None)
