"""From the original's files to a model directory: checked whole, renamed, and exported like a model trained here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ... import __version__
from ...errors import InvalidInput
from ...registry.making import About, check_place, made_whole
from ...registry.manifest import Lineage
from ...registry.models import Model, open_model
from ..plans import COUNTERS
from .export import export
from .generator import Generator
from .original import generator_name, read_weights, read_words, shape_of, text_name
from .text import TextEncoder

_LISTED = 12


def import_original(text_file: Path, generator_file: Path, captions: Path, out: Path, about: About) -> Model:
    """Make the model directory `out` of an original text encoder, generator and `captions.pickle`, whole or not at all.

    NotFound, or InvalidInput with the list of what does not fit.
    """
    check_place(out)
    words, text_weights = read_words(captions), read_weights(text_file)
    generator_weights = read_weights(generator_file)
    shape = shape_of(text_weights, generator_weights)
    if len(words.words) != shape.vocabulary:
        raise InvalidInput(
            f"{captions} has {len(words.words)} words and {text_file} was trained with {shape.vocabulary}; "
            "they do not belong together"
        )
    with torch.device("meta"):
        text, generator = TextEncoder(shape), Generator(shape)
    misfits = [
        *_take(text.to_empty(device="cpu"), text_weights, text_name),
        *_take(generator.to_empty(device="cpu"), generator_weights, generator_name),
    ]
    if misfits:
        more = f", and {len(misfits) - _LISTED} more" if len(misfits) > _LISTED else ""
        raise InvalidInput(f"these weights do not fit: {'; '.join(misfits[:_LISTED])}{more}")
    files = (text_file, generator_file, captions)
    with made_whole(out) as partial:
        export(
            partial,
            shape,
            words,
            text,
            generator,
            name=about.name,
            version=about.version,
            title=about.title,
            description=f"An AttnGAN brought in from {about.source}.",
            licence=about.licence,
            dtype=torch.float32,
            lineage=Lineage(
                data=", ".join(file.name for file in files),
                data_hash=hashlib.sha256(b"".join(_digest(file) for file in files)).hexdigest(),
                recipe="import",
                commit=f"limner {__version__}",
                hardware="not known",
                hours=0,
                examples=0,
            ),
        )
    return open_model(out)


def _digest(file: Path) -> bytes:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


@torch.no_grad()
def _take(network: nn.Module, weights: Mapping[str, Tensor], name: Callable[[str], str]) -> list[str]:
    """Give a network its weights from the original's; what does not fit is told in the original's names."""
    mine = {name(key): value for key, value in network.state_dict().items() if not key.endswith(COUNTERS)}
    found = {key: value for key, value in weights.items() if not key.endswith(COUNTERS)}
    misfits = [f"'{key}' is missing" for key in mine if key not in found]
    misfits += [f"'{key}' is not known" for key in found if key not in mine]
    for key in mine.keys() & found.keys():
        if mine[key].shape != found[key].shape:
            misfits.append(f"'{key}' is {list(found[key].shape)}, not {list(mine[key].shape)}")
        elif not found[key].is_floating_point() or not torch.isfinite(found[key]).all():
            misfits.append(f"'{key}' holds values that are not numbers")
        else:
            mine[key].copy_(found[key])
    return sorted(misfits)
