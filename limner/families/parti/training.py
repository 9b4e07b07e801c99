"""Training a Parti by a recipe: image tokenizer, tokens kept, its decoder, text tokenizer, transformer, export."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from ...data.arrays import PictureArrays, picture_arrays
from ...data.captioned import Item
from ...data.subjects import cell_shares, drawn_subjects, subject_names
from ...errors import InvalidInput
from ...registry.making import made_whole
from ...registry.models import Model, open_model
from ...registry.placing import PLACING
from ...training.cache import ArrayCache, key_of
from ...training.loop import Loop
from ...training.pictures import to_tensor
from ...training.precision import autocast
from ...training.run import Prepared
from ..vocabulary import known_words
from .decoder_stage import DecoderStage
from .export import export
from .image_tokenizer import ImageTokenizer
from .planning import Planning, background_tones
from .recipe import NEEDS_MASKS, Training
from .shape import Subjects
from .text import TEXT_NAME, TextTokenizer
from .tokenizer_stage import TokenizerStage
from .transformer_stage import TokenExamples, TransformerStage

_ENCODED_AT_ONCE = 32

console = Console()


def train(recipe: Training, data: Prepared, out: Path, resume: bool) -> Model:
    """Train all stages in `out` and export `out`/model; a finished stage is kept there and not repeated.

    Of several processes one fills the caches and exports, while the others wait.
    """
    processes, names = PartialState(), subject_names(data.train)
    parts = (data.train, data.held_out)
    with processes.main_process_first():
        arrays = [picture_arrays(part, recipe.data.size, data.cache, names) for part in parts]
    subjects = _subjects(recipe, arrays[0])
    planning = None if subjects is None else Planning(subjects, recipe.tokenizer.codes + 1)
    first = TokenizerStage(recipe.tokenizer, arrays[0], arrays[1], recipe.seed)
    before = Loop(first, recipe.tokenizer, recipe.seed, out / "tokenizer")
    before.run(resume)
    tokenizer = first.tokenizer.eval().requires_grad_(False)
    with processes.main_process_first():
        tokens = [_tokens(tokenizer, array, data.cache, recipe) for array in arrays]
    if subjects is not None:
        torch.manual_seed(recipe.seed)
        tokenizer.listen()
    seconds = before.seconds
    if recipe.decoder.steps:
        pairs = tuple(zip(arrays, tokens, strict=True))
        again = Loop(
            DecoderStage(recipe.decoder, tokenizer, pairs[0], pairs[1], recipe.seed, planning),
            recipe.decoder,
            recipe.seed,
            out / "decoder",
        )
        again.run(resume)
        seconds += again.seconds
    tokenizer.eval().requires_grad_(False)
    with processes.main_process_first():
        text = _text(recipe, data, out / "transformer")
    train_part, held_out_part = (
        _examples(found, array, part, text, recipe, planning)
        for found, array, part in zip(tokens, arrays, parts, strict=True)
    )
    shape = recipe.shape(len(text)).transformer
    stage = TransformerStage(
        recipe.transformer, shape, train_part, held_out_part, text, tokenizer, recipe.seed, subjects
    )
    loop = Loop(stage, recipe.transformer, recipe.seed, out / "transformer")
    loop.run(resume)
    if processes.is_main_process:
        about = recipe.model
        with made_whole(out / "model") as partial:
            export(
                partial,
                text,
                tokenizer,
                stage.network,
                name=about.name,
                version=about.version,
                title=about.title,
                description=about.description,
                licence=about.licence,
                precision=about.precision,
                defaults=recipe.defaults(),
                vocabulary=known_words(recipe.data, data.train),
                lineage=data.lineage(
                    recipe,
                    seconds + loop.seconds,
                    recipe.transformer.steps * recipe.transformer.batch_size,
                ),
            )
    processes.wait_for_everyone()
    return open_model(out / "model")


def _subjects(recipe: Training, train: PictureArrays) -> Subjects | None:
    """What is planned of a picture; InvalidInput where the set tells of no subject."""
    if not recipe.transformer.planned:
        return None
    if np.isnan(train.placings).all():
        raise InvalidInput(NEEDS_MASKS, "transformer.planned")
    drawings = 1 + int(np.nan_to_num(train.placings[..., PLACING.index("drawing")]).max())
    return Subjects(most=recipe.transformer.planned, names=train.names, drawings=drawings)


def _text(recipe: Training, data: Prepared, folder: Path) -> TextTokenizer:
    """The pieces of this run, learned once, from the training captions alone; says how many others are held out."""
    if not (folder / TEXT_NAME).is_file():
        captions = (caption for item in data.train for caption in item.captions)
        folder.mkdir(parents=True, exist_ok=True)
        TextTokenizer.learn(captions, recipe.transformer.text_vocabulary).write(folder)
    text = TextTokenizer.read(folder)
    held_out = [caption for item in data.held_out for caption in item.captions]
    length = recipe.transformer.text_tokens - 1
    cut = sum(len(text.ids(caption)) > length for caption in held_out) / max(1, len(held_out))
    console.print(
        f"{len(text)} pieces of text; {100 * text.outside(held_out):.2f} % of the words in held-out captions cannot "
        f"be spelled, {100 * cut:.2f} % of the captions are cut"
    )
    return text


def _tokens(
    tokenizer: ImageTokenizer, arrays: PictureArrays, cache: Path, recipe: Training
) -> NDArray[np.uint16]:
    """The tokens (N, h * w) of pictures; they are kept on disk under what they were made of."""
    weights = float(sum(p.double().abs().sum() for p in tokenizer.parameters()))
    half = recipe.tokenizer.precision == "bfloat16"
    kept, key = ArrayCache(cache / "tokens"), key_of(arrays.identity, repr(weights), half)
    if key not in kept:
        kept.put(key, _encoded(tokenizer, arrays.pictures, half))
    return kept[key]


def _examples(
    tokens: NDArray[np.uint16],
    arrays: PictureArrays,
    items: Sequence[Item],
    text: TextTokenizer,
    recipe: Training,
    planning: Planning | None,
) -> TokenExamples:
    """Tokens and captions of a part."""
    length = recipe.transformer.text_tokens
    cells = np.stack([cell_shares(shown, recipe.tokenizer.patch).reshape(-1) for shown in arrays.subjects])
    plans = np.zeros((len(items), 0), np.int64)
    if planning is not None:
        plans = planning.tokens(arrays.placings, background_tones(arrays.pictures, arrays.subjects))
    return TokenExamples(
        tokens=tokens,
        plans=plans.astype(np.int32),
        cells=cells,
        texts=np.stack([text.row(caption, length) for item in items for caption in item.captions]).astype(
            np.int32
        ),
        first=np.concatenate([[0], np.cumsum([len(item.captions) for item in items])]),
        single=np.array([len(drawn_subjects(item)) == 1 for item in items]),
    )


@torch.no_grad()
def _encoded(tokenizer: ImageTokenizer, pictures: NDArray[np.uint8], half: bool) -> NDArray[np.uint16]:
    device, found = tokenizer.quantizer.used.device, []
    for at in track(range(0, len(pictures), _ENCODED_AT_ONCE), "encoding pictures"):
        part = to_tensor(pictures[at : at + _ENCODED_AT_ONCE]).to(device)
        with autocast(device.type, "bfloat16" if half else "float32"):
            tokens = tokenizer.encode(part).tokens
        found.append(tokens.cpu().numpy().astype(np.uint16))
    return np.concatenate(found)
