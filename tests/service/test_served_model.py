from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from limner.engine.apart import ApartStudio
from limner.registry import models as module
from limner.service import server

from ..registry.test_models import put


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Built in is storybook 1; own are 2 (the newest) and 3, which the alias `good` means."""
    monkeypatch.setattr(module, "BUILT_IN", tmp_path / "built-in")
    put(tmp_path / "built-in" / "storybook", "storybook", "1")
    own = tmp_path / "data" / "models" / "storybook"
    put(own / "2", "storybook", "2")
    put(own / "3", "storybook", "3", age=10)
    (own / "aliases.json").write_text('{"good": "3"}', encoding="utf-8")
    return tmp_path / "data"


def served(data_dir: Path, model: str, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], list[str], Any]:
    """What `serve` lists, preloads, and takes for a job that names no model."""
    preloaded: list[str] = []
    apps: list[FastAPI] = []
    monkeypatch.setattr(ApartStudio, "preload", lambda self, name: preloaded.append(name))
    monkeypatch.setattr(server, "run_app", lambda app, *rest: apps.append(app))
    server.serve(0, data_dir, model, backend="onnxruntime")
    with TestClient(apps[0], base_url="http://127.0.0.1:8000") as client:
        listed = client.get("/v1/models").json()["models"]
    service = apps[0].state.service
    return [f"{m['name']}@{m['version']}" for m in listed], preloaded, service


@pytest.mark.parametrize(
    ("model", "exact"),
    [
        ("storybook", "storybook@2"),
        ("storybook@1", "storybook@1"),
        ("storybook@good", "storybook@3"),
    ],
)
def test_the_version_that_a_name_means_is_drawn_and_listed_first(
    data_dir: Path, model: str, exact: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed, preloaded, service = served(data_dir, model, monkeypatch)
    assert listed[0] == exact and len(listed) == 3
    assert preloaded == [exact] and service.model == exact


@pytest.mark.parametrize(("name", "version"), [("birds", "7"), ("storybook", "2")])
def test_a_model_directory_is_offered_under_its_name(
    data_dir: Path, tmp_path: Path, name: str, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = put(tmp_path / "elsewhere", name, version, title="elsewhere")
    listed, preloaded, service = served(data_dir, str(folder), monkeypatch)
    exact = f"{name}@{version}"
    assert listed[0] == exact and listed.count(exact) == 1
    assert preloaded == [exact] and service.model == exact
    titles = [model.manifest.title for model in service.studio.models() if model.name == name]
    assert titles[-1] == "elsewhere"
