"""Filling what requests leave open, without any network: what a service can do while its engine is away."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING

from ..errors import InvalidInput, LimnerError
from ..families import family
from ..registry.stamps import stamp
from .request import DrawRequest
from .source import Source, size_like

if TYPE_CHECKING:
    from ..registry.models import Model, Registry

_KEPT, _FOUND = 8, 256


class OpenedModel:
    """One version of one model as far as requests go: its `family`, and no network. Thread-safe."""

    def __init__(self, model: Model) -> None:
        """Read the small files of a model."""
        self.model = model
        self.family = family(model.manifest.family)(model)
        self._sizes = model.manifest.sizes

    def resolve(self, request: DrawRequest, source: Source | None) -> DrawRequest:
        """Fill every None of a request that comes with `source`, as `Studio.resolve`."""
        if (request.image is None) != (source is None):
            raise InvalidInput("a picture to work from and its name go together", field="image")
        if source is not None and request.width is None and request.height is None:
            height, width = source.pixels.shape[:2]
            size = size_like(self._sizes, width, height)
            request = request.model_copy(update={"width": size.width, "height": size.height})
        resolved = self.family.resolve(request)
        if source is not None and resolved.width and resolved.height:
            source.fitted(resolved.width, resolved.height)  # what is wrong with it is told before it is drawn
        return resolved


class Resolver:
    """Resolves requests for the models of a registry; the last few that were asked for stay open. Thread-safe."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._found: OrderedDict[str, Model] = OrderedDict()
        self._opened: OrderedDict[tuple[str, str, str], OpenedModel] = OrderedDict()
        self._lock = Lock()

    def models(self) -> list[Model]:
        """The registry's models that draw."""
        return [model for model in self._registry.models() if model.manifest.draws]

    def resolve(self, request: DrawRequest, source: Source | None = None) -> DrawRequest:
        """Fill every None of a request, as `Studio` says; a name gets its version, so that it stays the same model."""
        model = self._registry.find(request.model)
        with self._lock:
            opened = self._open(model)
        named = request.model.partition("@")[0] == model.name
        pinned = {"model": f"{model.name}@{model.version}"} if named else {}
        resolved = opened.resolve(request, source).model_copy(
            update={**pinned, **self._chosen(request, model)}
        )
        with self._lock:
            self._found[resolved.model] = model
            self._found.move_to_end(resolved.model)
            while len(self._found) > _FOUND:
                self._found.popitem(last=False)
        return resolved

    def _chosen(self, request: DrawRequest, model: Model) -> dict[str, str]:
        """What chooses among the candidates of a request."""
        if request.best_of > 1:
            from ..families.matcher.opening import chooser

            return {"matcher": chooser(self._registry, model, request.matcher)}
        if request.matcher is not None:
            raise InvalidInput("a matcher chooses among several pictures: say how many by best_of", "matcher")
        return {}

    def model(self, reference: str) -> Model:
        """The model of a resolved request, where it was found last; NotFound without it."""
        with self._lock:
            model = self._found.get(reference)
        return model or self._registry.find(reference)

    def stamp(self, request: DrawRequest) -> str:
        """The stamp of a resolved request's model, and of its matcher where it has one; NotFound without them."""
        drawing = stamp(self.model(request.model).path)
        if request.matcher is None:
            return drawing
        from ..families.matcher.opening import folder_of

        return f"{drawing} {stamp(folder_of(self._registry, request.matcher))}"

    def judged(self, model: Model) -> bool:
        """Whether there is a matcher that chooses among pictures of a model where none is named."""
        from ..families.matcher.opening import chooser

        try:
            chooser(self._registry, model, None)
        except LimnerError:
            return False
        return True

    def _open(self, model: Model) -> OpenedModel:
        key = key_of(model)
        if key not in self._opened:
            self._opened[key] = OpenedModel(model)
        self._opened.move_to_end(key)
        while len(self._opened) > _KEPT:
            self._opened.popitem(last=False)
        return self._opened[key]


def key_of(model: Model) -> tuple[str, str, str]:
    """What tells two models apart: where it lies, what its manifest says, and its files as it was found."""
    return str(model.path), model.said, model.stamp or stamp(model.path)
