"""The original's files and names: every key of the paper's public code beside the one that it has here.

The public code keeps a text encoder and a generator as state dicts of torch, and its words in `captions.pickle`, which
is [captions of train, captions of test, words by id, ids by word]. Nothing of a pickle but plain values is read.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from ...data.plain_pickle import read_plain_pickle
from ...errors import InvalidInput, NotFound
from ..words import Words
from .shape import Shape

_TOKENS = 25  # what the public code draws with

_Rule = tuple[str, Callable[[re.Match[str]], str]]

_TEXT: Sequence[_Rule] = (
    (r"embedding\.", lambda m: "encoder."),
    (r"lstm\.", lambda m: "rnn."),
)
_GENERATOR: Sequence[_Rule] = (
    (r"conditioning\.linear\.", lambda m: "ca_net.fc."),
    (r"first\.linear\.", lambda m: "h_net1.fc.0."),
    (r"first\.norm\.", lambda m: "h_net1.fc.1."),
    (r"first\.up\.(\d+)\.conv\.", lambda m: f"h_net1.upsample{int(m[1]) + 1}.1."),
    (r"first\.up\.(\d+)\.norm\.", lambda m: f"h_net1.upsample{int(m[1]) + 1}.2."),
    (r"next\.(\d+)\.attention\.project\.", lambda m: f"h_net{int(m[1]) + 2}.att.conv_context."),
    (r"next\.(\d+)\.residual\.(\d+)\.conv1\.", lambda m: f"h_net{int(m[1]) + 2}.residual.{m[2]}.block.0."),
    (r"next\.(\d+)\.residual\.(\d+)\.norm1\.", lambda m: f"h_net{int(m[1]) + 2}.residual.{m[2]}.block.1."),
    (r"next\.(\d+)\.residual\.(\d+)\.conv2\.", lambda m: f"h_net{int(m[1]) + 2}.residual.{m[2]}.block.3."),
    (r"next\.(\d+)\.residual\.(\d+)\.norm2\.", lambda m: f"h_net{int(m[1]) + 2}.residual.{m[2]}.block.4."),
    (r"next\.(\d+)\.up\.conv\.", lambda m: f"h_net{int(m[1]) + 2}.upsample.1."),
    (r"next\.(\d+)\.up\.norm\.", lambda m: f"h_net{int(m[1]) + 2}.upsample.2."),
    (r"heads\.(\d+)\.", lambda m: f"img_net{int(m[1]) + 1}.img.0."),
)


def text_name(name: str) -> str:
    """What the original calls a weight of the text encoder."""
    return _named(name, _TEXT)


def generator_name(name: str) -> str:
    """What the original calls a weight of the generator."""
    return _named(name, _GENERATOR)


def _named(name: str, rules: Sequence[_Rule]) -> str:
    for pattern, original in rules:
        if found := re.match(pattern, name):
            return original(found) + name[found.end() :]
    raise AssertionError(f"no rule for {name}")


def read_weights(file: Path) -> dict[str, Tensor]:
    """A state dict of torch's, weights alone; NotFound or InvalidInput names the file."""
    try:
        kept = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise NotFound(f"'{file}' not found") from None
    except pickle.UnpicklingError:
        raise InvalidInput(
            f"{file} holds more than weights, or is no file of torch's; nothing of it was run"
        ) from None
    except Exception as error:  # noqa: BLE001 - what is cut short makes torch raise errors of many kinds
        raise InvalidInput(
            f"{file} is no file of torch's: {(str(error).splitlines() or ['it ends early'])[0]}"
        ) from None
    if not isinstance(kept, Mapping) or not all(isinstance(value, Tensor) for value in kept.values()):
        raise InvalidInput(f"{file} is no state dict: it should map names to tensors")
    # What several GPUs have trained has a further name in front.
    return {str(key).removeprefix("module."): value for key, value in kept.items()}


def shape_of(text: Mapping[str, Tensor], generator: Mapping[str, Tensor]) -> Shape:
    """How wide the original's networks are; InvalidInput where what tells it is not there."""

    def size(part: Mapping[str, Tensor], key: str, axis: int) -> int:
        if key not in part or part[key].ndim <= axis:
            raise InvalidInput(
                f"there is no weight '{key}' in what should be {'a text encoder' if part is text else 'a generator'}; "
                "give TEXT_ENCODER and GENERATOR in this order, as the public code of AttnGAN wrote them"
            )
        return int(part[key].shape[axis])

    def count(pattern: str) -> int:
        return len({found[1] for key in generator if (found := re.match(pattern, key))})

    condition = size(generator, "ca_net.fc.weight", 0) // 4
    try:
        return Shape(
            vocabulary=size(text, "encoder.weight", 0),
            tokens=_TOKENS,
            embedding=size(text, "encoder.weight", 1),
            text_width=2 * size(text, "rnn.weight_hh_l0", 1),
            noise=size(generator, "h_net1.fc.0.weight", 1) - condition,
            condition=condition,
            channels=size(generator, "img_net1.img.0.weight", 1),
            doublings=count(r"h_net1\.upsample(\d+)\."),
            stages=count(r"img_net(\d+)\."),
            residuals=count(r"h_net2\.residual\.(\d+)\.") or 1,
        )
    except ValueError as error:
        raise InvalidInput(f"these networks are not of a shape that can be drawn with: {error}") from None


def read_words(file: Path) -> Words:
    """The vocabulary of a `captions.pickle`; NotFound, or InvalidInput naming the file and running nothing."""
    value = read_plain_pickle(file)
    if not isinstance(value, list) or len(value) != 4 or not isinstance(value[2], dict):
        raise InvalidInput(f"{file} is not [train, test, words by id, ids by word]")
    by_id = value[2]
    listed = [by_id.get(number) for number in range(len(by_id))]
    words = [word for word in listed if isinstance(word, str)]
    if len(words) != len(listed):
        raise InvalidInput(f"{file}: the ids of its {len(listed)} words do not count from 0")
    return Words(tuple(words), None)
