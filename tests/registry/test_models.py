from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from limner.errors import InvalidInput, LimnerError, NotFound
from limner.registry import models as module
from limner.registry.models import Registry, open_model

TENSOR = {"name": "x", "dtype": "float32", "shape": ["B", 4]}


def put(directory: Path, name: str, version: str, age: int = 0, **changes: Any) -> Path:
    """A model directory with one empty graph; `age` in seconds sets its time of creation back."""
    (directory / "unet").mkdir(parents=True)
    (directory / "unet" / "model.onnx").touch()
    manifest = {
        "name": name,
        "version": version,
        "title": name,
        "description": "",
        "family": "diffusion",
        "graphs": {
            "unet": {"path": "unet/model.onnx", "inputs": [TENSOR], "outputs": [TENSOR], "parameters": 1}
        },
        "sizes": [{"width": 64, "height": 64}],
        "preview": {"matrix": [[0, 0, 0]], "bias": [0, 0, 0]},
        "licence": "Apache-2.0",
        "lineage": {
            "data": "",
            "data_hash": "",
            "recipe": "",
            "commit": "",
            "hardware": "",
            "hours": 0,
            "examples": 0,
        },
    }
    file = directory / "limner.json"
    file.write_text(json.dumps(manifest | changes), encoding="utf-8")
    os.utime(file, (1_700_000_000 - age, 1_700_000_000 - age))
    return directory


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.setattr(module, "BUILT_IN", tmp_path / "built-in")
    put(tmp_path / "built-in" / "storybook", "storybook", "1")
    put(tmp_path / "built-in" / "fixed", "fixed", "1")
    own = tmp_path / "data" / "models"
    put(own / "storybook" / "10", "storybook", "10", age=10)
    put(own / "storybook" / "2", "storybook", "2", age=20)
    put(own / "birds" / "1", "birds", "1")
    return Registry(tmp_path / "data")


def alias(tmp_path: Path, text: str) -> None:
    (tmp_path / "data" / "models" / "storybook" / "aliases.json").write_text(text, encoding="utf-8")


def test_models_lists_built_in_and_own(registry: Registry) -> None:
    listed = [(model.name, model.version, model.built_in) for model in registry.models()]
    assert listed == [
        ("fixed", "1", True),
        ("storybook", "1", True),
        ("birds", "1", False),
        ("storybook", "2", False),
        ("storybook", "10", False),
    ]


def test_a_bare_name_means_the_newest_own_version(registry: Registry) -> None:
    assert registry.find("storybook").version == "10"
    assert registry.find("fixed").built_in


def test_a_version_is_found_built_in_ones_too(registry: Registry) -> None:
    assert registry.find("storybook@2").version == "2"
    assert registry.find("storybook@1").built_in


def test_aliases(registry: Registry, tmp_path: Path) -> None:
    alias(tmp_path, '{"current": "2", "champion": "1", "lost": "9"}')
    assert registry.find("storybook").version == "2"
    assert registry.find("storybook@champion").built_in
    with pytest.raises(NotFound, match="means version '9', not found; known: 1, 2, 10"):
        registry.find("storybook@lost")


@pytest.mark.parametrize("text", ["[]", '{"current": 2}', "{"])
def test_a_damaged_alias_file_is_named(registry: Registry, tmp_path: Path, text: str) -> None:
    alias(tmp_path, text)
    with pytest.raises(InvalidInput, match=r"aliases\.json"):
        registry.find("storybook")


@pytest.mark.parametrize(
    "reference",
    ["storybok", "storybook@3", "storybook@", "", "..", "storybook@..", "a@b@c", "x\0", "a" * 999],
)
def test_what_is_not_known_is_not_found_with_a_list(registry: Registry, reference: str) -> None:
    with pytest.raises(NotFound, match="known: fixed@1, storybook@1, birds@1, storybook@2, storybook@10"):
        registry.find(reference)


def test_a_path_is_opened(registry: Registry, tmp_path: Path) -> None:
    directory = put(tmp_path / "elsewhere", "mine", "1")
    model = registry.find(str(directory))
    assert (model.name, model.path, model.built_in) == ("mine", directory, False)
    assert model.graph_file("unet") == directory / "unet" / "model.onnx"
    with pytest.raises(NotFound, match="it has: unet"):
        model.graph_file("vae")


@pytest.mark.parametrize("reference", ["/nowhere", "./\0", "/" + "a" * 9999, "/dev/null/x", "~nobody/x"])
def test_a_path_that_cannot_be_read_is_not_found(registry: Registry, reference: str) -> None:
    with pytest.raises(NotFound, match="model directory"):
        registry.find(reference)


def test_broken_models_are_left_out_of_lists(
    registry: Registry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = tmp_path / "data" / "models"
    put(own / "birds" / "2", "birds", "2", sizes="large")
    put(own / "birds" / "3", "frogs", "3")
    assert [model.version for model in registry.models() if model.name == "birds"] == ["1"]
    assert registry.find("birds").version == "1"
    assert "sizes" in caplog.text and "calls itself frogs@3" in caplog.text


@pytest.mark.parametrize("closed", ["models/birds", "models/birds/1", "models/birds/1/limner.json"])
def test_a_folder_that_may_not_be_read_takes_no_other_away(
    registry: Registry,
    tmp_path: Path,
    closed: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    place = tmp_path / "data" / closed

    def refusing(name: str) -> Callable[..., Any]:
        usual = getattr(Path, name)

        def called(path: Path, *given: Any, **named: Any) -> Any:
            inside = path != place and path.is_relative_to(place)
            if inside or (path == place and name in ("iterdir", "read_bytes")):
                raise PermissionError(13, "Permission denied", str(path))
            return usual(path, *given, **named)

        return called

    for name in ("iterdir", "is_file", "is_dir", "stat", "read_bytes"):
        monkeypatch.setattr(Path, name, refusing(name))
    assert [model.version for model in registry.models() if model.name == "storybook"] == ["1", "2", "10"]
    assert registry.find("storybook").version == "10"
    assert str(place) in caplog.text and "Permission denied" in caplog.text
    with pytest.raises(NotFound):
        registry.find("birds")


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../outside.onnx", "unet/../../outside.onnx", "..\\outside.onnx"]
)
def test_a_graph_outside_the_directory_is_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "outside.onnx").touch()
    graph = {"path": path, "inputs": [TENSOR], "outputs": [TENSOR], "parameters": 1}
    put(tmp_path / "model", "m", "1", graphs={"unet": graph})
    with pytest.raises(InvalidInput, match="must lie inside") as caught:
        open_model(tmp_path / "model")
    assert caught.value.field == "graphs.unet.path"


@pytest.mark.parametrize("link", ["unet/model.onnx", "unet/diffusion_pytorch_model.safetensors", "vae"])
def test_a_link_out_of_the_directory_is_refused(tmp_path: Path, link: str) -> None:
    directory = put(tmp_path / "model", "m", "1")
    (tmp_path / "outside").touch()
    (directory / link).unlink(missing_ok=True)
    (directory / link).symlink_to(tmp_path / "outside")
    with pytest.raises(InvalidInput, match="is a link out of"):
        open_model(directory)


def test_links_within_and_to_the_directory_are_followed(tmp_path: Path) -> None:
    directory = put(tmp_path / "model", "m", "1")
    (directory / "unet" / "model.onnx").rename(directory / "graph")
    (directory / "unet" / "model.onnx").symlink_to("../graph")
    (tmp_path / "link").symlink_to(directory)
    assert open_model(tmp_path / "link").path == directory


@pytest.mark.parametrize("path", ["", ".", "unet", "unet/other.onnx", "a\0b"])
def test_a_graph_that_is_no_file_is_refused(tmp_path: Path, path: str) -> None:
    graph = {"path": path, "inputs": [TENSOR], "outputs": [TENSOR], "parameters": 1}
    put(tmp_path / "model", "m", "1", graphs={"unet": graph})
    with pytest.raises(LimnerError):
        open_model(tmp_path / "model")


def test_the_tiny_model_is_found_when_put_there(tiny_model: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_model, tmp_path / "models" / "tiny" / "1")
    model = Registry(tmp_path).find("tiny")
    assert set(model.manifest.graphs) == {"text_encoder", "unet", "vae_decoder", "vae_encoder"}


def test_an_extra_model_is_listed_once_and_found_by_name(registry: Registry, tmp_path: Path) -> None:
    alias(tmp_path, '{"current": "2"}')
    extra = open_model(put(tmp_path / "elsewhere", "storybook", "10", title="extra"))
    carrying = Registry(tmp_path / "data", extra=(extra,))
    assert carrying.find("storybook") == carrying.find("storybook@10") == extra
    assert carrying.find("storybook@current").version == "2"
    listed = [model for model in carrying.models() if model.name == "storybook"]
    assert [model.version for model in listed] == ["1", "2", "10"]
    assert listed[-1] == extra


def test_an_own_version_hides_the_built_in_one_from_the_list(registry: Registry, tmp_path: Path) -> None:
    put(tmp_path / "data" / "models" / "fixed" / "1", "fixed", "1")
    assert [model for model in registry.models() if model.name == "fixed"] == [registry.find("fixed@1")]


def test_a_model_that_is_as_it_was_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = put(tmp_path / "tiny", "tiny", "1")
    monkeypatch.setattr(module, "_RECENT", 0)
    first = open_model(folder)
    assert open_model(folder) is first
    manifest = json.loads((folder / "limner.json").read_text("utf-8"))
    (folder / "limner.json").write_text(json.dumps(manifest | {"title": "other"}), encoding="utf-8")
    assert open_model(folder).manifest.title == "other"
    (folder / "unet" / "model.onnx").unlink()
    with pytest.raises(NotFound, match=r"model\.onnx"):
        open_model(folder)


def test_a_link_that_comes_later_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = put(tmp_path / "tiny", "tiny", "1")
    monkeypatch.setattr(module, "_RECENT", 0)
    open_model(folder)
    (folder / "unet" / "more.bin").symlink_to("/etc/hostname")
    with pytest.raises(InvalidInput, match="link"):
        open_model(folder)


def test_what_was_only_just_written_is_read_again(tmp_path: Path) -> None:
    """Within a tick of the clock a file may change and keep its marks."""
    folder = put(tmp_path / "tiny", "tiny", "1")
    assert open_model(folder) is not open_model(folder)
