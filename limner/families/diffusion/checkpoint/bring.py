"""From a checkpoint to a model directory: checked first, then copied tensor by tensor, graphs bound or exported."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from .... import __version__
from ....errors import InvalidInput, Unavailable
from ....registry.manifest import Graph, Lineage, Manifest, Preview, SamplerDefaults, Size
from ....registry.models import Model, open_model
from ....registry.weight_files import Written, write
from .clip import write_tokenizer
from .configuration import Prediction, is_second
from .lora import with_lora
from .reading import PARTS, Checkpoint, read_checkpoint
from .templates import TEMPLATES, Template, check, put, read_graph, templates

if TYPE_CHECKING:
    from onnx import ModelProto

_GRAPHS = ("text_encoder", "unet", "vae_decoder")
_SPARE = 100_000_000  # bytes for graphs and configurations
_SAMPLER = SamplerDefaults(sampler="dpm++2m", steps=20, guidance_scale=7.5)
# A linear map from Stable Diffusion's latents to colours, known from its community (K. Turner, 2022), in 0..1.
_PREVIEW = Preview(
    matrix=(
        (0.149, 0.1035, 0.104),
        (0.0935, 0.143, 0.0865),
        (-0.079, 0.0945, 0.132),
        (-0.092, -0.1355, -0.2365),
    ),
    bias=(0.5, 0.5, 0.5),
)

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class About:
    """What the model directory says of itself."""

    name: str
    version: str
    title: str
    licence: str
    source: str

    @property
    def description(self) -> str:
        """One sentence for lists of models."""
        return f"A Stable Diffusion checkpoint, from {self.source}."


def import_checkpoint(
    source: Path,
    out: Path,
    about: About,
    *,
    loras: Sequence[tuple[Path, float]] = (),
    prediction: Prediction | None = None,
    progress: Progress = lambda done, whole: None,
    template_folder: Path = TEMPLATES,
) -> Model:
    """Make the model directory `out` of a Stable Diffusion checkpoint, whole or not at all.

    All checks come before the first weight is copied: missing parts and tensors, shapes, pickles, room on the disk.
    `progress` is told bytes written and bytes in all. Without a template for its configuration the graphs are
    exported, which needs the extra [train].

    NotFound, InvalidInput or Unavailable names what stands in the way.
    """
    if out.exists():
        raise InvalidInput(f"{out} is there already; give the model another --name or --version")
    checkpoint = read_checkpoint(source, prediction)
    for file, scale in loras:
        checkpoint = replace(checkpoint, weights=with_lora(checkpoint.weights, file, scale))
    bound = _bound(checkpoint, template_folder)
    _check_room(out, checkpoint.size)
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        hashed = _write_pipeline(checkpoint, partial, progress)
        lineage = Lineage(
            data=about.source,
            data_hash=hashed,
            recipe=" ".join(["import", *(f"{file.name}:{scale:g}" for file, scale in loras)]),
            commit=f"limner {__version__}",
            hardware="not known",
            hours=0,
            examples=0,
        )
        if bound is None:
            _export(partial, about, lineage)
        else:
            _write_bound(partial, bound, checkpoint, about, lineage)
        partial.rename(out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return open_model(out)


_Bound = list[tuple[Template, "ModelProto"]]


def _bound(checkpoint: Checkpoint, folder: Path) -> _Bound | None:
    """The checked templates of all graphs; None where one has none."""
    found: _Bound = []
    for part in PARTS:
        for template, place in templates(part, checkpoint.configs[part], folder):
            graph = read_graph(place)
            check(graph, checkpoint.weights[part], _within(checkpoint, part), part)
            found.append((template, graph))
    graphs = {template.graph for template, _ in found}
    return found if graphs >= set(_GRAPHS) else None


def _within(checkpoint: Checkpoint, part: str) -> str:
    """What the names of a part's tensors begin with, beyond the graph's: CLIP's have an owner in older files."""
    return "text_model." if any(name.startswith("text_model.") for name in checkpoint.weights[part]) else ""


def _check_room(out: Path, size: int) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(out.parent).free
    if free < size + _SPARE:
        raise Unavailable(
            f"{out.parent} has {free / 1e9:.1f} GB left and the model needs {(size + _SPARE) / 1e9:.1f} GB; "
            "make room, or name another --data-dir"
        )


def _write_pipeline(checkpoint: Checkpoint, folder: Path, progress: Progress) -> str:
    """Write diffusers' layout; gives the hash of all weights."""
    digest, done = hashlib.sha256(), 0

    def told(size: int) -> None:
        nonlocal done
        done += size
        progress(done, checkpoint.size)

    for part, stem in PARTS.items():
        (folder / part).mkdir(parents=True)
        _write_object(folder / part / "config.json", checkpoint.configs[part])
        tensors = {
            name: replace(tensor, parts=_hashed(tensor, digest.update))
            for name, tensor in sorted(checkpoint.weights[part].items())
        }
        write(folder / part / f"{stem}.safetensors", tensors, told)
    (folder / "scheduler").mkdir()
    _write_object(folder / "scheduler" / "scheduler_config.json", checkpoint.configs["scheduler"])
    if checkpoint.tokenizer is None:
        write_tokenizer(folder / "tokenizer", is_second(checkpoint.weights["unet"]))
    else:
        shutil.copytree(checkpoint.tokenizer, folder / "tokenizer")
    scheduler = checkpoint.configs["scheduler"].get("_class_name", "PNDMScheduler")
    _write_object(
        folder / "model_index.json",
        {
            "_class_name": "StableDiffusionPipeline",
            "scheduler": ["diffusers", scheduler],
            "text_encoder": ["transformers", "CLIPTextModel"],
            "tokenizer": ["transformers", "CLIPTokenizer"],
            "unet": ["diffusers", "UNet2DConditionModel"],
            "vae": ["diffusers", "AutoencoderKL"],
            "feature_extractor": [None, None],
            "safety_checker": [None, None],
            "requires_safety_checker": False,
        },
    )
    return digest.hexdigest()


def _hashed(tensor: Written, update: Callable[[bytes], None]) -> Callable[[], Iterable[bytes]]:
    def parts() -> Iterator[bytes]:
        for part in tensor.parts():
            update(part)
            yield part

    return parts


def _write_object(file: Path, value: dict[str, object]) -> None:
    file.write_text(json.dumps(value, indent=2) + "\n")


def _write_bound(folder: Path, bound: _Bound, checkpoint: Checkpoint, about: About, lineage: Lineage) -> None:
    graphs: dict[str, Graph] = {}
    for template, graph in bound:
        weights = folder / template.part / f"{PARTS[template.part]}.safetensors"
        graphs[template.graph] = put(template, graph, folder, weights, _within(checkpoint, template.part))
    Manifest(
        name=about.name,
        version=about.version,
        title=about.title,
        description=about.description,
        family="diffusion",
        licence=about.licence,
        graphs=graphs,
        sampler=_SAMPLER,
        sizes=_sizes(checkpoint),
        preview=_PREVIEW,
        lineage=lineage,
    ).write(folder)


def _sizes(checkpoint: Checkpoint) -> tuple[Size, ...]:
    """The size that a checkpoint was trained on first, then the same number of pixels lying and standing."""
    levels = len(checkpoint.configs["vae"].get("block_out_channels", (0,) * 4))
    side = int(checkpoint.configs["unet"].get("sample_size", 64)) * 2 ** (levels - 1)
    short, long = side * 3 // 4 // 64 * 64, side * 4 // 3 // 64 * 64
    return (Size(width=side, height=side), Size(width=long, height=short), Size(width=short, height=long))


def _export(folder: Path, about: About, lineage: Lineage) -> None:
    try:
        from ..export import export
    except ModuleNotFoundError as error:
        raise Unavailable(
            f"no graph template fits this checkpoint's configuration, and exporting its graphs needs {error.name}; "
            "in a clone of Limner: pip install -e '.[train]' -c constraints.txt"
        ) from None
    export(
        folder,
        folder,
        name=about.name,
        version=about.version,
        title=about.title,
        description=about.description,
        licence=about.licence,
        lineage=lineage,
        sampler=_SAMPLER,
    )
