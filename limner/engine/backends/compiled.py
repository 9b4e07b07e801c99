"""Compiled forms of a graph, kept on the disk and read back without a look at the graph's weights.

OpenVINO writes them, by its own cache, and would read them, too; but it knows them by their weights, and reads and
rounds all of them to find out. Here a form is known by the files it comes from (their sizes, times and inodes) and by
how it was asked for. What was compiled is read from the file where it lies: its weights take no memory of their own.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from .pages import given_back

_log = logging.getLogger(__name__)

REWRITING = 2
"""Raised whenever a graph is rewritten in another way before it is compiled (`int8.py`, `rewriting.py`,
`attending.py`): what was compiled of the one before is not read any more."""

_OF_FILE = "graph"  # in the folder of a graph's compiled forms: the path of the graph
_WHOLE = "whole.json"  # in the folder of a form: it is there once the form is
_UNFINISHED = "unfinished-"  # begins the names of folders in which something is being compiled
_LONG = 86_400.0  # seconds, after which nothing is compiled any more
_MOST_HEADER = 4096  # bytes
# Bytes of a form, past which what compiling leaves behind is worth the seconds of reading it back.
_LARGE = 2**27


class _Whole(BaseModel):
    """Which file of the folder is the form, how long it is, and where in it OpenVINO's own header ends."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    size: int
    begins: int


@dataclass(frozen=True)
class Compiled:
    """A compiled form, and what must stay in memory as long as it or any of its requests does."""

    model: openvino.CompiledModel
    memory: NDArray[np.uint8] | None = None


class CompiledForms:
    """The compiled forms of one graph file with the weights beside it."""

    def __init__(self, folder: Path, weights: Path) -> None:
        """Keep them in `folder`; the graph reads files in `weights`."""
        self._folder, self._weights = folder, weights

    def compiled(
        self,
        core: openvino.Core,
        settings: Mapping[str, Any],
        asked: object,
        network: Callable[[], openvino.Model],
    ) -> Compiled:
        """The form for what is `asked` with these settings: read where it is there, else compiled of `network`.

        RuntimeError where it cannot be compiled.
        """
        processor = [
            core.get_property("CPU", name) for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")
        ]
        how = REWRITING, processor, sorted(settings.items()), asked
        folder = self._folder / hashlib.sha256(repr(how).encode()).hexdigest()[:16]
        if (found := self._read(core, folder, settings)) is not None:
            return found
        made, size = self._compile(core, folder, settings, network)
        if size < _LARGE:
            return Compiled(made)
        del made  # it has all weights twice: as they were, and as it lays them out
        read = self._read(core, folder, settings)
        return read or Compiled(core.compile_model(network(), "CPU", dict(settings)))

    def _compile(
        self,
        core: openvino.Core,
        folder: Path,
        settings: Mapping[str, Any],
        network: Callable[[], openvino.Model],
    ) -> tuple[openvino.CompiledModel, int]:
        """A compiled form that is kept in `folder`, and its bytes there; 0 where it could not be kept.

        It is written in a folder of its own, for other processes may compile the same, and then takes its place.
        """
        try:
            own = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self._folder))
        except OSError as error:
            _log.warning("what is compiled is not kept in %s: %s", self._folder, error.strerror)
            return core.compile_model(network(), "CPU", dict(settings)), 0
        try:
            with given_back(self._weights):
                made = core.compile_model(network(), "CPU", {**settings, "CACHE_DIR": str(own)})
            if size := _mark_whole(own):
                shutil.rmtree(folder, ignore_errors=True)
                with suppress(OSError):  # another process was first
                    own.rename(folder)
            return made, size
        except RuntimeError:
            if own.is_dir():
                raise
            # Another process has removed the folder.
            return core.compile_model(network(), "CPU", dict(settings)), 0
        finally:
            shutil.rmtree(own, ignore_errors=True)

    def _read(self, core: openvino.Core, folder: Path, settings: Mapping[str, Any]) -> Compiled | None:
        try:
            whole = _Whole.model_validate_json((folder / _WHOLE).read_bytes())
            file = folder / whole.file
            if file.stat().st_size != whole.size:
                return None
            # OpenVINO takes no array that must not be written to, so that it gets one whose changes would be lost.
            stored = np.memmap(file, np.uint8, "c", whole.begins)
            with given_back(mapped=stored):
                tensor = openvino.Tensor(stored, shared_memory=True)
                return Compiled(core.import_model(tensor, "CPU", dict(settings)), stored)
        except FileNotFoundError:
            return None
        except (OSError, ValidationError, RuntimeError) as error:
            _log.warning("what was compiled into %s is compiled again: %s", folder, error)
            return None


def _mark_whole(folder: Path) -> int:
    """Note that the form in `folder` was written to its end; gives its bytes, 0 where it was not."""
    try:
        (file,) = folder.glob("*.blob")
        with file.open("rb") as stream:
            header = stream.readline(_MOST_HEADER)
        if not (header.startswith(b"<?xml") and header.endswith(b"/>\n")):
            return 0
        whole = _Whole(file=file.name, size=file.stat().st_size, begins=len(header))
        (folder / _WHOLE).write_text(whole.model_dump_json(), encoding="utf-8")
        return whole.size
    except (OSError, ValueError) as error:
        _log.warning("what was compiled is not kept in %s: %s", folder, error)
        return 0


def _marks(told: os.stat_result) -> tuple[int, ...]:
    """Others for a file that is replaced or written to, as in `registry.stamps`; but a device's number, which may be
    another one whenever it is mounted, is none of them."""
    return told.st_size, told.st_mtime_ns, told.st_ctime_ns, told.st_ino


def compiled_forms(cache: Path, file: Path) -> CompiledForms | None:
    """What is kept of a graph's file, under `cache`; None where nothing can be kept there.

    Forms of earlier weights or by another OpenVINO, and of graphs that are gone, are removed.
    """
    of_file = cache / "openvino" / hashlib.sha256(str(file).encode()).hexdigest()[:16]
    parts = sorted((part.name, _marks(part.stat())) for part in file.parent.iterdir() if part.is_file())
    stamp = repr((openvino.get_version(), parts))
    folder = of_file / hashlib.sha256(stamp.encode()).hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (of_file / _OF_FILE).write_text(str(file), encoding="utf-8")
        for other in of_file.iterdir():
            if other not in (folder, of_file / _OF_FILE):
                shutil.rmtree(other, ignore_errors=True)
        for left in folder.glob(f"{_UNFINISHED}*"):  # by a process that was killed
            with suppress(FileNotFoundError):  # it has just taken its place
                if time.time() - left.stat().st_mtime > _LONG:
                    shutil.rmtree(left, ignore_errors=True)
        for name in of_file.parent.glob(f"*/{_OF_FILE}"):
            if not Path(name.read_text("utf-8")).is_file():
                shutil.rmtree(name.parent, ignore_errors=True)
    except OSError as error:
        _log.warning("compiled graphs are not kept: %s: %s", folder, error.strerror)
        return None
    return CompiledForms(folder, file.parent)
