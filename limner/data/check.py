"""Everything that is wrong with a captioned set, in one pass that never stops at the first."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..pictures import PictureError
from .duplicates import Signature, groups_of, signature_of
from .layouts import entries_of, pictures_of
from .metadata import Box, Entry, table_of
from .pictures import read_boxed, read_mask
from .subjects import mask_fault, told_of

MIN_SIDE = 64

Kind = Literal[
    "metadata",
    "no picture",
    "uncaptioned",
    "unreadable",
    "broken",
    "truncated",
    "too large",
    "mask",
    "tiny",
    "duplicate",
]


@dataclass(frozen=True)
class Finding:
    """One thing to know: what kind, where (a file, or a file and line), and the details in words."""

    kind: Kind
    where: str
    detail: str

    @property
    def must_mend(self) -> bool:
        """Whether the set cannot be used as it is meant; else it is only worth a look."""
        return self.kind not in ("tiny", "duplicate")


@dataclass(frozen=True)
class Report:
    """What a check found. `pictures` is how many files were looked at, `captions` how many were read."""

    folder: Path
    pictures: int
    captions: int
    findings: tuple[Finding, ...]

    @property
    def must_mend(self) -> tuple[Finding, ...]:
        """The findings that have to be mended before the set is used."""
        return tuple(finding for finding in self.findings if finding.must_mend)

    @property
    def worth_a_look(self) -> tuple[Finding, ...]:
        """The findings that may be as they should be."""
        return tuple(finding for finding in self.findings if not finding.must_mend)


@dataclass(frozen=True)
class _Looked:
    size: tuple[int, int] | None
    signature: Signature | None
    finding: Finding | None


def _look(folder: Path, name: str, box: Box | None) -> _Looked:
    try:
        image = read_boxed(folder / name, None, box)
        signature = signature_of(image)
    except PictureError as error:
        kind: Kind = "broken" if error.reason == "missing" else error.reason
        return _Looked(None, None, Finding(kind, name, str(error)))
    finding = None
    if min(image.size) < MIN_SIDE:
        finding = Finding(
            "tiny", name, f"{image.width} x {image.height} pixels; under {MIN_SIDE} shows little"
        )
    return _Looked(image.size, signature, finding)


def _look_at_mask(folder: Path, entry: Entry, size: tuple[int, int] | None) -> Finding | None:
    if entry.mask is None:
        return None
    if not os.path.isfile(folder / entry.mask):
        return Finding("mask", entry.where, f"mask '{entry.mask}' is not there")
    try:
        mask = read_mask(folder / entry.mask)
    except PictureError as error:
        return Finding("mask", entry.mask, str(error))
    if size is not None and mask.size != size:
        detail = f"{mask.width} x {mask.height} pixels, its picture is {size[0]} x {size[1]}"
        return Finding("mask", entry.mask, detail)
    wrong = mask_fault(mask, told_of(entry.attributes))
    return None if wrong is None else Finding("mask", entry.mask, wrong)


def check_set(folder: Path, progress: Callable[[int, int], None] | None = None) -> Report:
    """Look at every line and every picture of a captioned folder and say all that is wrong.

    Must be mended: lines that are not well formed, captions whose picture is not there, pictures without a
    caption, unreadable, broken, truncated or too large files, masks that are missing, broken, of another size or with
    values that stand for nothing. Worth a look: pictures under 64 pixels, and duplicates. `progress` is called with
    (done, of how many) pictures.

    NotFound without the folder; InvalidInput where it has two metadata files.
    """
    findings: list[Finding] = []
    entries: dict[str, Entry] = {}
    spoken_of: set[str | None] = set()
    table = table_of(folder)
    present = set(pictures_of(folder))
    for found in entries_of(folder):
        if not isinstance(found, Entry):
            findings.append(Finding(found.kind, found.where, found.message))
            spoken_of.add(found.name)
        elif not os.path.isfile(folder / found.name):
            findings.append(Finding("no picture", found.where, f"picture '{found.name}' is not there"))
        else:
            entries[found.name] = found
    masks = {entry.mask for entry in entries.values() if entry.mask}
    if table is not None:
        findings += [
            Finding("uncaptioned", name, f"no line of {table.name} speaks of it")
            for name in sorted(present.difference(entries, masks, spoken_of))
        ]
    names = sorted((present | set(entries)) - (masks - set(entries)))

    def look(name: str) -> tuple[_Looked, Finding | None]:
        entry = entries.get(name)
        looked = _look(folder, name, entry.box if entry else None)
        return looked, _look_at_mask(folder, entry, looked.size) if entry else None

    signatures: dict[str, Signature] = {}
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        for done, (name, (looked, mask)) in enumerate(zip(names, pool.map(look, names), strict=True), 1):
            findings += [finding for finding in (looked.finding, mask) if finding is not None]
            if looked.signature is not None:
                signatures[name] = looked.signature
            if progress is not None:
                progress(done, len(names))
    finally:
        pool.shutdown(cancel_futures=True)
    hashed = list(signatures)
    for group in groups_of(list(signatures.values())):
        if len(group) > 1:
            others = ", ".join(hashed[k] for k in group[1:5]) + (" ..." if len(group) > 5 else "")
            findings.append(Finding("duplicate", hashed[group[0]], f"looks the same as {others}"))
    if not names and not findings:
        findings.append(Finding("no picture", str(folder), "the folder holds no pictures"))
    captions = sum(len(entry.captions) for entry in entries.values())
    return Report(folder, len(names), captions, tuple(findings))
