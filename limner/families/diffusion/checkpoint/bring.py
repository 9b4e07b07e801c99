"""From a checkpoint to a model directory: checked first, then copied tensor by tensor, graphs bound to it."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from .... import __version__
from ....errors import InvalidInput, Unavailable
from ....registry.making import About, check_place, made_whole
from ....registry.manifest import Graph, Lineage, Manifest, Preview, SamplerDefaults, Size
from ....registry.models import Model, open_model
from ....registry.weight_files import Written, write
from .clip import write_tokenizer
from .configuration import Config, Prediction, is_second
from .lora import learned_by, with_lora
from .reading import WEIGHTS, Checkpoint, owner, read_checkpoint
from .templates import TEMPLATES, Template, put, read_graph, templates
from .tiny import GRAPH, read_tiny_decoder

if TYPE_CHECKING:
    from onnx import ModelProto

_SPARE = 100_000_000  # bytes for graphs and configurations
_LAYOUT = "0.21.0"  # the version of diffusers whose layout this is
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


def import_checkpoint(
    source: Path,
    out: Path,
    about: About,
    *,
    loras: Sequence[tuple[Path, float]] = (),
    prediction: Prediction | None = None,
    tiny: Path | None = None,
    progress: Progress = lambda done, whole: None,
    template_folder: Path = TEMPLATES,
) -> Model:
    """Make the model directory `out` of a Stable Diffusion checkpoint, whole or not at all.

    All checks come before the first weight is copied: missing parts and tensors, shapes, pickles, room on the disk.
    `tiny` is a tiny decoder that goes beside the checkpoint's own (`tiny.py`). `progress` is told bytes written and
    bytes in all. For a configuration without a template one is made, which needs
    the extra [train].

    NotFound, InvalidInput or Unavailable names what stands in the way.
    """
    check_place(out)
    checkpoint = read_checkpoint(source, prediction)
    for file, scale in loras:
        checkpoint = replace(checkpoint, weights=with_lora(checkpoint.weights, file, scale))
    sizes = _sizes(checkpoint)
    vae = checkpoint.configs["vae"]
    beside = None if tiny is None else read_tiny_decoder(tiny, vae, template_folder)
    _check_room(out, checkpoint.size + (beside.size if beside else 0))
    with made_whole(out) as partial:
        with tempfile.TemporaryDirectory() as made:
            bound = _bound(checkpoint, template_folder, Path(made))
        hashed = _write_pipeline(checkpoint, partial, progress)
        graphs = {template.graph: _put(template, graph, checkpoint, partial) for template, graph in bound}
        if beside is not None:
            graphs[GRAPH] = beside.put(partial)
        Manifest(
            name=about.name,
            version=about.version,
            title=about.title,
            description=f"A Stable Diffusion checkpoint, from {about.source}.",
            family="diffusion",
            graphs=graphs,
            sampler=_SAMPLER,
            sizes=sizes,
            preview=_PREVIEW,
            licence=about.licence,
            lineage=Lineage(
                data=about.source,
                data_hash=hashed,
                recipe=" ".join(["import", *(f"{file.name}:{scale:g}" for file, scale in loras)]),
                commit=f"limner {__version__}",
                hardware="not known",
                hours=0,
                examples=0,
                before=tuple(each for file, _ in loras for each in learned_by(file)),
            ),
        ).write(partial)
    return open_model(out)


def _inpaints(checkpoint: Checkpoint) -> bool:
    """Whether the denoiser also reads a mask and the latent of what is kept."""
    return bool(checkpoint.configs["unet"].get("in_channels", 4) == 9)


def _bound(checkpoint: Checkpoint, folder: Path, made: Path) -> list[tuple[Template, ModelProto]]:
    """The template of each graph, of `folder` or else made anew in `made`, and the graph; weights are checked."""
    found = []
    for part in WEIGHTS:
        config = checkpoint.configs[part]
        fitting = templates(part, config, folder)
        if not fitting:
            _make_template(part, config, made)
            fitting = templates(part, config, made)
            if not fitting:
                raise InvalidInput(f"the configuration of the {part} says what its network does not heed")
        for template, place in fitting:
            template.check(checkpoint.weights[part], owner(checkpoint.weights[part]))
            found.append((template, read_graph(place)))
    return found


def _make_template(part: str, config: Config, folder: Path) -> None:
    try:
        from ..template_export import write_templates
    except ModuleNotFoundError as error:
        raise Unavailable(
            f"no graph template fits this checkpoint's {part}, and making one needs {error.name}; "
            "in a clone of Limner: pip install -e '.[train]' -c constraints.txt"
        ) from None
    write_templates(folder, {part: (part, config)})


def _put(template: Template, graph: ModelProto, checkpoint: Checkpoint, folder: Path) -> Graph:
    weights = folder / template.part / f"{WEIGHTS[template.part]}.safetensors"
    return put(template, graph, folder, weights, owner(checkpoint.weights[template.part]))


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

    for part, stem in WEIGHTS.items():
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
            "_class_name": f"StableDiffusion{'Inpaint' if _inpaints(checkpoint) else ''}Pipeline",
            "_diffusers_version": _LAYOUT,
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
    file.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _sizes(checkpoint: Checkpoint) -> tuple[Size, ...]:
    """The size that a checkpoint was trained on first, then about as many pixels lying and standing."""
    side = checkpoint.configs["unet"].get("sample_size", 64)
    levels = checkpoint.configs["vae"].get("block_out_channels", [0] * 4)
    if not isinstance(side, int) or not 8 <= side <= 256:
        raise InvalidInput(f"unet/config.json: sample_size={side!r}; allowed: 8 to 256", field="sample_size")
    if not isinstance(levels, list) or not 1 <= len(levels) <= 8:
        raise InvalidInput(f"vae/config.json: block_out_channels={levels!r}; allowed: 1 to 8 numbers")
    side *= 2 ** (len(levels) - 1)
    short, long = side * 3 // 4 // 64 * 64, side * 4 // 3 // 64 * 64
    others = [(long, short), (short, long)] if short else []
    return tuple(Size(width=width, height=height) for width, height in [(side, side), *others])
