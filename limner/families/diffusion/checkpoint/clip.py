"""CLIP's tokenizer, for checkpoints that come without one: both versions of Stable Diffusion use the same words.

The merges are those that OpenAI published with CLIP (Radford et al., 2021; MIT licence, see `clip/README.md`); the
vocabulary follows from them: every byte, every byte at the end of a word, every merge, start and end.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

MERGES = Path(__file__).resolve().parent / "clip" / "merges.txt.gz"
START, END = "<|startoftext|>", "<|endoftext|>"


def write_tokenizer(folder: Path, second: bool) -> None:
    """Write the folder `tokenizer` of a diffusers pipeline; the second version of Stable Diffusion pads with "!"."""
    folder.mkdir(parents=True)
    merges = gzip.decompress(MERGES.read_bytes()).decode()
    (folder / "merges.txt").write_text(f"#version: 0.2\n{merges}", encoding="utf-8")
    words = vocabulary(merges)
    (folder / "vocab.json").write_text(json.dumps(words, ensure_ascii=False), encoding="utf-8")
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": "!" if second else END}
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=1) + "\n", encoding="utf-8")
    config = special | {"model_max_length": 77, "tokenizer_class": "CLIPTokenizer", "do_lower_case": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


def vocabulary(merges: str) -> dict[str, int]:
    """Token -> number, 49,408 of them."""
    letters = _letters()
    joined = ["".join(line.split(" ")) for line in merges.splitlines() if line]
    tokens = [*letters, *(letter + "</w>" for letter in letters), *joined, START, END]
    return {token: number for number, token in enumerate(tokens)}


def _letters() -> list[str]:
    """The 256 bytes as letters that can be seen, in CLIP's order: those that can be seen already come first."""
    seen = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    return [chr(byte) for byte in seen] + [chr(256 + k) for k in range(256 - len(seen))]
