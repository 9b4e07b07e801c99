"""`limner models import`: a checkpoint that others have made becomes a model that Limner serves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import DataDir

if TYPE_CHECKING:
    from ..families.diffusion.checkpoint.configuration import Prediction


def sd(
    source: Annotated[
        str,
        typer.Argument(
            metavar="PATH_OR_HUB_ID", help="A diffusers folder, a .safetensors file, or a hub id."
        ),
    ],
    name: Annotated[
        str | None, typer.Option("--name", help="What the model is called here. [default: the source's name]")
    ] = None,
    version: Annotated[str, typer.Option("--version", help="Its version.")] = "1",
    lora: Annotated[
        list[str] | None,
        typer.Option("--lora", metavar="FILE:SCALE", help="A LoRA to lay on; may be repeated."),
    ] = None,
    tiny_decoder: Annotated[
        Path | None,
        typer.Option(
            "--tiny-decoder", metavar="PATH", help="A tiny decoder (TAESD) for limner draw --decoder tiny."
        ),
    ] = None,
    prediction: Annotated[
        str | None,
        typer.Option(
            "--prediction", metavar="epsilon|v_prediction", help="What a single file's UNet predicts."
        ),
    ] = None,
    licence: Annotated[str, typer.Option("--licence", help="The weights' licence.")] = "as its makers say",
    data_dir: DataDir = None,
) -> None:
    """Bring in a Stable Diffusion checkpoint: 1.x or 2.x, fp16 or fp32. Pickled files are refused."""
    from ..families.diffusion.checkpoint.bring import import_checkpoint
    from ..families.diffusion.checkpoint.hub import download, is_hub_id
    from ..families.diffusion.checkpoint.lora import check_lora
    from ..families.diffusion.checkpoint.tiny import not_there
    from ..registry.making import About, check_place
    from ..registry.places import data_dir as place
    from .progress import copying

    loras = [_scaled(given) for given in lora or []]
    chosen = _prediction(prediction)
    path, from_hub = Path(source), not Path(source).exists() and is_hub_id(source)
    called = source.partition("@")[0].rpartition("/")[2] if from_hub else path.resolve().name
    slug = _slug(name or called)
    _check_version(version)
    out = place(data_dir) / "models" / slug / version
    check_place(out)
    for file, scale in loras:
        check_lora(file, scale)
    if tiny_decoder is not None and not tiny_decoder.exists():
        raise not_there(tiny_decoder)
    if from_hub:
        path = download(source)
    about = About(slug, version, name or slug, licence, source if from_hub else path.name)
    with copying("weights") as told:
        model = import_checkpoint(
            path, out, about, loras=loras, prediction=chosen, tiny=tiny_decoder, progress=told
        )
    typer.echo(
        f"{model.name}@{model.version} is ready: limner draw 'a castle by the sea' --model {model.name}"
    )


def attngan(
    text_encoder: Annotated[
        Path, typer.Argument(help="The text encoder's state dict, such as text_encoder200.pth.")
    ],
    generator: Annotated[Path, typer.Argument(help="The generator's state dict, such as bird_AttnGAN2.pth.")],
    captions: Annotated[
        Path, typer.Argument(metavar="CAPTIONS_PICKLE", help="The captions.pickle of its set.")
    ],
    name: Annotated[
        str | None,
        typer.Option("--name", help="What the model is called here. [default: the generator's name]"),
    ] = None,
    version: Annotated[str, typer.Option("--version", help="Its version.")] = "1",
    licence: Annotated[str, typer.Option("--licence", help="The weights' licence.")] = "as its makers say",
    data_dir: DataDir = None,
) -> None:
    """Bring in an AttnGAN as the paper's public code keeps it. Of pickles nothing but plain values is read."""
    from ..extras import needs_extra
    from ..registry.places import data_dir as place

    with needs_extra("train", "bringing in an AttnGAN"):
        from ..families.attngan.bring import import_original
        from ..registry.making import About
    slug = _slug(name or generator.stem)
    _check_version(version)
    about = About(slug, version, name or slug, licence, generator.name)
    out = place(data_dir) / "models" / slug / version
    model = import_original(text_encoder, generator, captions, out, about)
    known = model.manifest.vocabulary or ()
    typer.echo(
        f"{model.name}@{model.version} is ready and knows {len(known)} words: "
        f"limner draw 'this bird is red' --model {model.name}"
    )


def _check_version(version: str) -> None:
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", version):
        raise typer.BadParameter(
            f"{version!r} must be small letters, digits, dots and dashes", param_hint="--version"
        )


def _prediction(given: str | None) -> Prediction | None:
    match given:
        case None | "epsilon" | "v_prediction":
            return given
    raise typer.BadParameter(f"{given!r} is neither epsilon nor v_prediction", param_hint="--prediction")


def _scaled(given: str) -> tuple[Path, float]:
    file, colon, scale = given.rpartition(":")
    try:
        return (
            (Path(file), float(scale)) if colon and not scale.startswith(("/", "\\")) else (Path(given), 1.0)
        )
    except ValueError:
        return Path(given), 1.0


def _slug(name: str) -> str:
    """A name as the registry takes it: small letters, digits, dots and dashes."""
    words = re.sub(r"[^a-z0-9._-]+", "-", name.lower().removesuffix(".safetensors")).strip("-._")
    return words[:64] or "sd"
