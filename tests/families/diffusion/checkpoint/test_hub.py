"""Downloads from the hub, with the hub's own functions replaced: what is fetched, and what is said when it fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import huggingface_hub
import pytest
from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError

from limner.errors import InvalidInput, LimnerError, NotFound, Unavailable
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


def test_lists_of_several_files_are_followed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    listing = "unet/diffusion_pytorch_model.safetensors.index.json"
    (tmp_path / "unet").mkdir()
    (tmp_path / listing).write_text(
        '{"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}}', encoding="utf-8"
    )
    files = [*SMALL, listing, "vae/diffusion_pytorch_model.safetensors", "text_encoder/model.safetensors"]
    asked: list[list[str]] = []

    def fetch(name: str, revision: str | None, allow_patterns: list[str]) -> str:
        asked.append(allow_patterns)
        return str(tmp_path)

    def listed(*arguments: Any, **named: Any) -> list[str]:
        return files

    monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_files", listed)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    assert download("owner/name@main") == tmp_path
    assert listing in asked[0] and asked[1] == ["unet/1.safetensors", "unet/2.safetensors"]
