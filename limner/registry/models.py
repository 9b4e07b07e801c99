"""Models by name: the built-in ones, and the user's own under `<data dir>/models/<name>/<version>/`.

A reference is `name`, `name@version`, `name@alias`, or a path (anything with a slash in it) to a model
directory. A bare name means the alias `current` where it is set, else the newest version the user has,
else the built-in one. Aliases are kept in `<data dir>/models/<name>/aliases.json`.
"""

from __future__ import annotations

import logging
import re
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from threading import Lock

from pydantic import TypeAdapter, ValidationError

from ..errors import InvalidInput, LimnerError, NotFound
from .manifest import MANIFEST_NAME, Manifest
from .stamps import Marks, files, stamp_of

BUILT_IN = Path(__file__).resolve().parent.parent / "models"
ALIASES_NAME = "aliases.json"

_KEPT = 64
_RECENT = 50_000_000  # nanoseconds: a clock's tick, in which a file may be written twice

_log = logging.getLogger(__name__)
_word = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_aliases = TypeAdapter(dict[str, str])


@dataclass(frozen=True)
class Model:
    """One version of one model, on this disk. `stamp` is of its files (`stamps.stamp`) as it was found; None of one
    that was not looked for, which goes by its files as they are."""

    path: Path
    manifest: Manifest
    built_in: bool
    stamp: str | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """The model's name."""
        return self.manifest.name

    @property
    def version(self) -> str:
        """The model's version."""
        return self.manifest.version

    @cached_property
    def said(self) -> str:
        """The manifest as text."""
        return self.manifest.model_dump_json()

    def graph_file(self, graph: str) -> Path:
        """The file of a graph; NotFound lists the graphs there are."""
        if graph not in self.manifest.graphs:
            known = ", ".join(self.manifest.graphs)
            raise NotFound(f"model '{self.name}' has no graph '{graph}'; it has: {known}")
        return self.path / self.manifest.graphs[graph].path


def open_model(directory: Path, built_in: bool = False) -> Model:
    """Read a model directory. One that was read before, and of which no file has changed since, is not read again.

    NotFound where it or one of its graphs is missing; InvalidInput where the manifest is wrong or names
    a file outside the directory, directly or through a symbolic link.
    """
    try:
        root = directory.resolve()
        return _read.once(root, built_in)
    except (OSError, ValueError, RuntimeError) as error:
        raise NotFound(f"model directory {str(directory)[:200]!r} cannot be read: {error}") from None


class _Read:
    """Models as they were read, the last few that were asked for, each with the marks of its files."""

    def __init__(self) -> None:
        self._models: OrderedDict[tuple[Path, bool], tuple[list[tuple[str, Marks]], Model]] = OrderedDict()
        self._lock = Lock()

    def once(self, root: Path, built_in: bool) -> Model:
        """The model in that folder, read if it was not, or not as it is now."""
        now, seen = time.time_ns(), files(root)
        with self._lock:
            known = self._models.get((root, built_in))
            if known is not None and known[0] == seen:
                self._models.move_to_end((root, built_in))
                return known[1]
        manifest = Manifest.read(root)
        _check_links(root)
        for name, graph in manifest.graphs.items():
            _check_graph(root, name, graph.path)
        model = Model(root, manifest, built_in, stamp_of(seen))
        if all(marks and marks[2] < now - _RECENT for _, marks in seen):
            with self._lock:
                self._models[root, built_in] = seen, model
                while len(self._models) > _KEPT:
                    self._models.popitem(last=False)
        return model


_read = _Read()


def _check_links(root: Path) -> None:
    for path in root.rglob("*"):
        if path.is_symlink() and not path.resolve().is_relative_to(root):
            raise InvalidInput(f"{path} is a link out of the model directory; put the file itself there")


def _check_graph(root: Path, graph: str, path: str) -> None:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\\" in path:
        field = f"graphs.{graph}.path"
        raise InvalidInput(f"{root / MANIFEST_NAME}: {field}: {path!r} must lie inside the folder", field)
    if not (root / path).is_file():
        raise NotFound(f"model directory {root} lacks {path}, the file of its graph '{graph}'")


def is_path(reference: str) -> bool:
    """Whether a reference is a path; a name has no slash."""
    return "/" in reference or "\\" in reference


class Registry:
    """All models of one data directory, and the built-in ones; sees the disk as it is at every call."""

    def __init__(self, data_dir: Path, extra: Sequence[Model] = ()) -> None:
        """The models of `data_dir`, and `extra` ones from elsewhere, which win over others of their name."""
        self.data_dir = data_dir
        self._own = data_dir / "models"
        self._extra = [replace(model, stamp=None) for model in extra]

    @property
    def extra(self) -> tuple[Model, ...]:
        """The models from elsewhere."""
        return tuple(self._extra)

    def models(self) -> list[Model]:
        """Every readable model: built-in ones, own ones by name and age, extra ones.

        Of several with one name and version only that which `find` gives; a broken one is logged and left out.
        """
        built_in = self._open_all([(path.name, None, path) for path in _folders(BUILT_IN)], built_in=True)
        own: list[Model] = []
        for folder in _folders(self._own):
            own += self._versions(folder.name)
        found = built_in + own + self._extra
        meant = {(model.name, model.version): model for model in found}
        return [model for model in found if meant[model.name, model.version] is model]

    def find(self, reference: str) -> Model:
        """The model that a reference means (see the module's docstring).

        NotFound lists the known models; InvalidInput and NotFound also as `open_model` raises them.
        """
        if is_path(reference):
            return open_model(Path(reference))
        name, at, tag = reference.partition("@")
        if not _word.fullmatch(name) or (at and not _word.fullmatch(tag)):
            raise self._unknown(reference)
        own = self._versions(name)
        built_in = [(name, None, BUILT_IN / name)] if (BUILT_IN / name / MANIFEST_NAME).is_file() else []
        extra = [model for model in self._extra if model.name == name]
        if extra and not at:
            return extra[-1]
        models = self._open_all(built_in, built_in=True) + own + extra
        if not models:
            raise self._unknown(reference)
        versions = {model.version: model for model in models}
        aliases = self._aliases(name)
        if not at:
            return self._aliased(name, "current", aliases, versions) if "current" in aliases else models[-1]
        if tag in versions:
            return versions[tag]
        if tag in aliases:
            return self._aliased(name, tag, aliases, versions)
        raise self._unknown(reference)

    def _versions(self, name: str) -> list[Model]:
        folders: list[tuple[int, str, Path]] = []
        for path in _folders(self._own / name):
            try:
                if (path / MANIFEST_NAME).is_file():
                    folders.append(((path / MANIFEST_NAME).stat().st_mtime_ns, path.name, path))
            except OSError as error:
                _log.warning("left out: %s cannot be read: %s", path, error.strerror)
        return self._open_all([(name, path.name, path) for _, _, path in sorted(folders)], built_in=False)

    def _open_all(self, places: Sequence[tuple[str, str | None, Path]], built_in: bool) -> list[Model]:
        models = []
        for name, version, path in places:
            try:
                model = open_model(path, built_in)
            except LimnerError as error:
                _log.warning("left out: %s", error)
                continue
            if model.name != name or version not in (None, model.version):
                _log.warning("left out: %s calls itself %s@%s", path, model.name, model.version)
                continue
            models.append(model)
        return models

    def _aliases(self, name: str) -> dict[str, str]:
        file = self._own / name / ALIASES_NAME
        try:
            return _aliases.validate_json(file.read_bytes())
        except FileNotFoundError:
            return {}
        except ValidationError as error:
            raise InvalidInput(f"{file}: {error.errors()[0]['msg']}; it maps aliases to versions") from None

    def _aliased(self, name: str, alias: str, aliases: dict[str, str], versions: dict[str, Model]) -> Model:
        version = aliases[alias]
        if version not in versions:
            known = ", ".join(versions)
            raise NotFound(f"alias '{name}@{alias}' means version '{version}', not found; known: {known}")
        return versions[version]

    def _unknown(self, reference: str) -> NotFound:
        known = ", ".join(f"{model.name}@{model.version}" for model in self.models()) or "none"
        return NotFound(f"model {reference!r} not found; known: {known}")


def _folders(directory: Path) -> list[Path]:
    try:
        if not directory.is_dir():
            return []
        return sorted(path for path in directory.iterdir() if path.is_dir() and _word.fullmatch(path.name))
    except OSError as error:
        _log.warning("left out: %s cannot be read: %s", directory, error.strerror)
        return []
