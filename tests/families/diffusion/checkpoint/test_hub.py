"""Downloads from the hub, with the hub's own functions replaced: what is fetched, and what is said when it fails."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import huggingface_hub
import pytest
from huggingface_hub import DryRunFileInfo
from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError

from limner.errors import InvalidInput, LimnerError, NotFound, Unavailable
from limner.families.diffusion.checkpoint.clip import write_tokenizer
from limner.families.diffusion.checkpoint.hub import chosen, download, is_hub_id

SMALL = ["model_index.json", "unet/config.json", "vae/config.json", "text_encoder/config.json"]
PUBLISHED = [
    *SMALL,
    "unet/diffusion_pytorch_model.safetensors",
    "unet/diffusion_pytorch_model.fp16.safetensors",
    "unet/diffusion_pytorch_model.non_ema.safetensors",
    "unet/diffusion_pytorch_model.bin",
    "vae/diffusion_pytorch_model.fp16.safetensors",
    "text_encoder/model.safetensors",
    "v1-5-pruned.safetensors",
    "safety_checker/model.safetensors",
]


@pytest.mark.parametrize(
    ("text", "is_id"),
    [
        ("owner/name", True),
        ("owner/na.me-1@fp16", True),
        ("/home/me/sd", False),
        ("a/b/c", False),
        ("sd.safetensors", False),
        ("./sd/x", False),
    ],
)
def test_how_an_id_is_written(text: str, is_id: bool) -> None:
    assert is_hub_id(text) is is_id


def test_one_variant_of_each_part_is_fetched() -> None:
    assert chosen("o/n", PUBLISHED) == [
        "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.fp16.safetensors",
        "text_encoder/model.safetensors",
    ]
    assert chosen("o/n", ["README.md", "one.safetensors"]) == "one.safetensors"


def test_repositories_without_weights_that_can_be_read() -> None:
    with pytest.raises(NotFound, match=r"2 \.safetensors files"):
        chosen("o/n", ["a.safetensors", "b.safetensors"])
    with pytest.raises(InvalidInput, match="only a pickle"):
        chosen("o/n", [*SMALL, "unet/diffusion_pytorch_model.bin"])


def _answer(kind: type[Exception]) -> Exception:
    if issubclass(kind, RepositoryNotFoundError):
        return kind("no", response=httpx2.Response(404, request=httpx2.Request("GET", "https://hub")))
    return kind("cut\nmore")


@pytest.mark.parametrize(
    ("kind", "expected", "words"),
    [
        (httpx2.ConnectError, Unavailable, r"\(cut\); the same command goes on"),
        (LocalEntryNotFoundError, Unavailable, "goes on where it was"),
        (OSError, Unavailable, "goes on where it was"),
        (GatedRepoError, Unavailable, "agreed to its terms"),
        (RepositoryNotFoundError, NotFound, "neither a file or folder here"),
    ],
)
def test_what_goes_wrong_is_one_line(
    monkeypatch: pytest.MonkeyPatch, kind: type[Exception], expected: type[LimnerError], words: str
) -> None:
    def fail(*arguments: Any, **named: Any) -> Any:
        raise _answer(kind)

    monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_files", fail)
    with pytest.raises(expected, match=words):
        download("owner/name")


@pytest.mark.parametrize("name", ["a/b..c", "a/b--c", "a/b-", "a/b.git"])
def test_names_that_the_hub_refuses(name: str) -> None:
    with pytest.raises(LimnerError, match="hub"):
        download(name)


LISTING = "unet/diffusion_pytorch_model.safetensors.index.json"


class Hub:
    """A hub with one repository, whose small files are in `folder` already: what is asked of it, in order."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked = folder, list[list[str]]()
        self.files = [
            *SMALL,
            LISTING,
            "vae/diffusion_pytorch_model.safetensors",
            "text_encoder/model.safetensors",
        ]
        for place in ("unet/config.json", "vae/config.json", "text_encoder/config.json"):
            self.write(place, {})
        self.write("scheduler/scheduler_config.json", {})
        self.write(LISTING, {"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}})
        write_tokenizer(folder / "tokenizer", False)

    def write(self, place: str, value: dict[str, Any]) -> None:
        (self.folder / place).parent.mkdir(exist_ok=True)
        (self.folder / place).write_text(json.dumps(value), encoding="utf-8")

    def listed(self, name: str, revision: str | None) -> list[str]:
        return self.files

    def fetch(self, name: str, revision: str | None, allow_patterns: Sequence[str]) -> str:
        self.asked.append(list(allow_patterns))
        return str(self.folder)

    def size_of(self, name: str, file: str, revision: str | None, dry_run: bool) -> DryRunFileInfo:
        assert dry_run
        return DryRunFileInfo("c", 3 * 10**9, file, str(self.folder / file), False, True)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Hub:
    made = Hub(tmp_path)
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: SimpleNamespace(list_repo_files=made.listed))
    monkeypatch.setattr(huggingface_hub, "snapshot_download", made.fetch)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", made.size_of)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=13 * 10**9))
    return made


def test_lists_of_several_files_are_followed(hub: Hub) -> None:
    assert download("owner/name@main") == hub.folder
    assert LISTING in hub.asked[0] and not [file for file in hub.asked[0] if file.endswith(".safetensors")]
    assert sorted(hub.asked[1]) == [
        "text_encoder/model.safetensors",
        "unet/1.safetensors",
        "unet/2.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
    ]


def test_nothing_of_stable_diffusion_xl_is_fetched(hub: Hub) -> None:
    hub.files.append("text_encoder_2/model.fp16.safetensors")
    with pytest.raises(InvalidInput, match="'owner/name' has two text encoders, as Stable Diffusion XL"):
        download("owner/name")
    assert not hub.asked


@pytest.mark.parametrize(
    ("told", "words"),
    [({"in_channels": 8}, "takes 8 channels"), ({"class_embed_type": "projection"}, "more than a text")],
)
def test_relatives_are_refused_before_their_weights_are_fetched(
    hub: Hub, told: dict[str, Any], words: str
) -> None:
    hub.write("unet/config.json", told)
    with pytest.raises(InvalidInput, match=words):
        download("owner/name")
    assert len(hub.asked) == 1


@pytest.mark.parametrize(("files", "needed"), [(None, "12.0"), (["one.safetensors"], "3.0")])
def test_a_disk_without_room_is_told_before_weights_are_fetched(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, files: list[str] | None, needed: str
) -> None:
    hub.files = files or hub.files
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=2 * 10**9))
    with pytest.raises(Unavailable, match=rf"has 2\.0 GB left and the download needs {needed} GB"):
        download("owner/name")
    assert not [file for asked in hub.asked for file in asked if file.endswith(".safetensors")]
