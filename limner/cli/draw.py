"""`limner draw`: a sentence in, a PNG out."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Backend, BackendOption, C2paCert, C2paKey, DataDir, Device, DeviceOption

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray
    from PIL import Image

    from ..api import OnStep
    from ..engine.request import Stepped
    from ..engine.source import Source
    from ..provenance import Signer

_PICTURE = "From a picture"
_PNG = b"\x89PNG\r\n\x1a\n"


def draw(
    prompt: Annotated[str, typer.Argument(help='What to draw, such as "a red apple on a wooden table".')],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="The PNG to write; numbered with --count. [default: from the prompt]"
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="0 to 4294967295. [default: random]")] = None,
    steps: Annotated[
        int | None, typer.Option(help="Denoising steps, 1 to 150. [default: the model's]")
    ] = None,
    guidance_scale: Annotated[
        float | None, typer.Option(help="How closely to follow the words, 1 to 30. [default: the model's]")
    ] = None,
    guidance_interval: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            help="Guide only this part of the steps, from 0 to 1, such as 0,0.8: faster. [default: the model's]",
        ),
    ] = None,
    feature_reuse: Annotated[
        int | None,
        typer.Option(
            help="Run the whole denoiser every n-th step only, 1 to 10: faster, less exact. [default: the model's]"
        ),
    ] = None,
    negative_prompt: Annotated[str, typer.Option(help="What the picture should not show.")] = "",
    count: Annotated[int, typer.Option(help="How many pictures; their seeds follow on one another.")] = 1,
    best_of: Annotated[
        int,
        typer.Option(
            min=1,
            help="Draw so many for each picture and keep the one that a matcher finds nearest to the words.",
        ),
    ] = 1,
    matcher: Annotated[
        str | None,
        typer.Option(
            help="What chooses with --best-of: a matcher, or the folder of a CLIP checkpoint. "
            "[default: matcher-<world> of the model's world]"
        ),
    ] = None,
    model: Annotated[str, typer.Option(help="A name, name@version, or a model directory.")] = "storybook",
    temperature: Annotated[
        float | None,
        typer.Option(
            help="Of a model of tokens: how freely to choose, above 0 to 10. [default: the model's]"
        ),
    ] = None,
    top_k: Annotated[
        int | None,
        typer.Option(help="Of a model of tokens: choose among so many of the best. [default: the model's]"),
    ] = None,
    sampler: Annotated[
        str | None, typer.Option(help="ddim, euler or dpm++2m. [default: the model's]")
    ] = None,
    width: Annotated[int | None, typer.Option(help="In pixels, a size the model has.")] = None,
    height: Annotated[int | None, typer.Option(help="In pixels, a size the model has.")] = None,
    image: Annotated[
        Path | None, typer.Option(help="A picture to begin from, instead of noise.", rich_help_panel=_PICTURE)
    ] = None,
    strength: Annotated[
        float | None,
        typer.Option(
            help="How much of it may change, above 0 to 1. [default: 0.6, 1 with a mask]",
            rich_help_panel=_PICTURE,
        ),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(help="A picture as large, white where to redraw.", rich_help_panel=_PICTURE),
    ] = None,
    keep: Annotated[
        str | None,
        typer.Option(
            metavar="L,T,R,B",
            help="Redraw all but this part: left, top, right, bottom from 0 to 1.",
            rich_help_panel=_PICTURE,
        ),
    ] = None,
    outward: Annotated[
        float | None,
        typer.Option(
            help="Make it smaller, 0.25 to 0.9 of its sides, and draw around it.", rich_help_panel=_PICTURE
        ),
    ] = None,
    variation_strength: Annotated[
        float | None,
        typer.Option(
            help="Draw near the picture of --seed: how far from it, above 0 to 1.", rich_help_panel=_PICTURE
        ),
    ] = None,
    variation_seed: Annotated[
        int | None,
        typer.Option(
            help="In which direction; of several pictures the first. [default: random]",
            rich_help_panel=_PICTURE,
        ),
    ] = None,
    decoder: Annotated[
        str | None,
        typer.Option(
            metavar="full|tiny", help="What makes the picture of the last latent. [default: the model's]"
        ),
    ] = None,
    strip: Annotated[
        bool, typer.Option("--strip", help="Write the denoising steps side by side too, as NAME-strip.png.")
    ] = False,
    attention: Annotated[
        bool, typer.Option("--attention", help="Write which word drew what too, as NAME-words.png.")
    ] = False,
    data_dir: DataDir = None,
    backend: BackendOption = Backend.AUTO,
    device: DeviceOption = Device.AUTO,
    c2pa_cert: C2paCert = None,
    c2pa_key: C2paKey = None,
) -> None:
    """Draw a sentence; prints seed, time and path of each picture, whose PNG carries the settings."""
    from ..api import check_png, load, request_of, source_of, write_png
    from ..engine.backends import chosen
    from ..engine.png import encode
    from ..provenance import SignerFiles, open_signer
    from ..registry.making import check_writable

    source, named = source_of(image, mask, None if keep is None else _box(keep), outward)
    request = request_of(
        **named,
        prompt=prompt,
        model=model,
        seed=seed,
        steps=steps,
        guidance_scale=guidance_scale,
        guidance_interval=None if guidance_interval is None else _interval(guidance_interval),
        feature_reuse=feature_reuse,
        negative_prompt=negative_prompt,
        sampler=sampler,
        width=width,
        height=height,
        strength=strength,
        variation_seed=variation_seed,
        variation_strength=variation_strength,
        decoder=decoder,
        attention=attention,
        temperature=temperature,
        top_k=top_k,
        best_of=best_of,
        matcher=matcher,
    )
    if output is None:
        check_writable(Path())
    else:
        check_png(output)
    signer = open_signer(SignerFiles(c2pa_cert, c2pa_key))
    begun = None if signer is None or image is None or source is None else _begun(signer, image, source)
    previews: defaultdict[int, list[NDArray[uint8]]] = defaultdict(list)
    with (
        load(model, data_dir, backend=chosen(backend.value, device.value).name) as limner,
        _progress() as show,
    ):

        def on_step(k: int, stepped: Stepped) -> None:
            show(k, stepped)
            if strip and stepped.preview is not None:
                previews[k].append(stepped.preview)

        drawn = limner.draw_all(request, count, on_step, source)
        if strip and best_of > 1:
            previews.clear()  # which of the candidates would be kept was not known while they were drawn
            for picture in drawn:

                def alone(_: int, stepped: Stepped, k: int = picture.index) -> None:
                    on_step(k, stepped)

                limner.draw_all(picture.request, 1, alone, source)
    for number, picture in enumerate(drawn):
        made, png = picture.picture, encode(picture.picture)
        if signer is not None:
            png = signer.sign(png, made.model, made.version, begun)
        place = output or _free(f"{_words(prompt)}-{drawn[0].seed}", image, mask)
        file = write_png(_file(place, number, count), png)
        varied = picture.request.variation_seed
        told = "" if varied is None else f"  variation {varied}"
        typer.echo(f"seed {picture.seed}{told}  {picture.seconds:.2f} s  {file}")
        if strip:
            from .strip import side_by_side

            page = side_by_side(previews[picture.index], made.pixels)
            beside = write_png(file.with_stem(f"{file.stem}-strip"), _png(page))
            typer.echo(f"its steps side by side  {beside}")
        if picture.attention is not None:
            beside = write_png(file.with_stem(f"{file.stem}-words"), _png(picture.heat_sheet()))
            typer.echo(f"which word drew what  {beside}")


def _begun(signer: Signer, image: Path, source: Source) -> bytes:
    """What pictures are signed as edits of: the file, manifest and all, where signing takes it, else its pixels."""
    from PIL import Image

    from ..errors import Unavailable

    pixels = _png(Image.fromarray(source.pixels))
    if not (file := image.read_bytes()).startswith(_PNG):
        return pixels
    try:
        signer.sign(pixels, "limner", "0", file)
    except Unavailable:
        return pixels
    return file


def _png(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _interval(text: str) -> tuple[float, float]:
    from ..errors import InvalidInput

    try:
        first, last = (float(share) for share in text.split(","))
    except ValueError:
        raise InvalidInput(
            f"--guidance-interval {text}: give where guidance begins and ends as shares of the steps, such as 0,0.8",
            field="guidance_interval",
        ) from None
    return first, last


def _box(text: str) -> tuple[float, float, float, float]:
    from ..errors import InvalidInput

    try:
        left, top, right, bottom = (float(share) for share in text.split(","))
    except ValueError:
        raise InvalidInput(
            f"--keep {text}: give left, top, right and bottom as shares, such as 0.2,0.1,0.8,0.9",
            field="keep",
        ) from None
    return left, top, right, bottom


def _file(base: Path, k: int, count: int) -> Path:
    return base if count == 1 else base.with_stem(f"{base.stem}-{k + 1:0{len(str(count))}d}")


def _free(stem: str, *used: Path | None) -> Path:
    """A name that is none of the pictures that were worked from."""
    taken = [path.resolve() for path in used if path is not None]
    while (file := Path(f"{stem}.png")).resolve() in taken:
        stem += "-new"
    return file


def _words(prompt: str) -> str:
    return "-".join(re.findall(r"[a-z0-9]+", prompt.lower()))[:60].strip("-") or "picture"


@contextmanager
def _progress() -> Iterator[OnStep]:
    """A bar over all steps of all pictures on a terminal, nothing elsewhere."""
    import sys

    if not sys.stderr.isatty():
        yield lambda k, stepped: None
        return
    from rich.console import Console
    from rich.progress import Progress

    done: dict[int, int] = {}
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("drawing", total=None)

        def show(k: int, stepped: Stepped) -> None:
            done[k] = stepped.step
            bar.update(task, completed=sum(done.values()), total=stepped.steps * len(done))

        yield show
