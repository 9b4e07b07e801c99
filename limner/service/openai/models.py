"""Models as OpenAI's clients list them, and the one that a request means."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ...answers import ModelCard
from ...engine.request import DrawRequest
from ...engine.studio import Studio
from ...errors import InvalidInput, NotFound
from ...registry.manifest import MANIFEST_NAME, Manifest
from ...registry.models import Model

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Meant:
    """The model that a reference means, and what it draws when a request does not say."""

    model: Model
    defaults: DrawRequest

    @property
    def manifest(self) -> Manifest:
        """The model's manifest."""
        return self.model.manifest


def meant(studio: Studio, reference: str) -> Meant:
    """What a name, a name@version or a name@alias means; NotFound lists the models where it is none of them."""
    try:
        defaults = studio.resolve(DrawRequest(prompt="a picture", model=reference))
        model = studio.model(defaults.model)
    except NotFound:
        known = ", ".join(card.id for card in model_cards(studio.models()))
        raise NotFound(f"the model '{reference[:140]}' does not exist here; known: {known}") from None
    if not model.manifest.draws:
        raise InvalidInput(f"the model '{reference[:140]}' draws no pictures", field="model")
    return Meant(model, defaults)


def model_cards(models: Sequence[Model], answers_to: Collection[str] = ()) -> list[ModelCard]:
    """The models in that order; one of several versions of a name is called by its version, too. The first once more
    by each of the names that it `answers_to`."""
    names = Counter(model.name for model in models)
    return [model_card(models[0], name) for name in sorted(answers_to)] + [
        model_card(model, f"{model.name}@{model.version}" if names[model.name] > 1 else model.name)
        for model in models
    ]


def further_names(names: Collection[str], models: Sequence[Model]) -> frozenset[str]:
    """Names that the served model is to have besides; InvalidInput where one is none, or that of a model here."""
    for name in names:
        if _NAME.fullmatch(name) is None:
            raise InvalidInput(
                f"'{name[:80]}' cannot be a model's name: small letters, digits, '.', '_' and '-'",
                field="answers_to",
            )
        if any(model.name == name for model in models):
            raise InvalidInput(
                f"'{name}' is the name of a model that is here; leave it out", field="answers_to"
            )
    return frozenset(names)


def model_card(model: Model, name: str) -> ModelCard:
    """A model under the name that a client uses."""
    try:
        created = int((model.path / MANIFEST_NAME).stat().st_mtime)
    except OSError:
        created = 0
    return ModelCard(id=name, created=created)
