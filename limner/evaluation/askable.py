"""What a model can be asked for, told before anything is drawn."""

from __future__ import annotations

from pydantic import ValidationError

from ..engine.request import DrawRequest
from ..errors import InvalidInput
from ..families import family
from ..families.diffusion.prompt import literal
from ..registry.models import Model


class Askable:
    """Tells which texts a model can be asked for: those that its family takes; where it draws nothing, every prompt."""

    def __init__(self, model: Model) -> None:
        """Read the small files of a model; errors as those of its family."""
        self._family = family(model.manifest.family)(model) if model.manifest.draws else None
        self._weighs = model.manifest.family == "diffusion"

    def literally(self, caption: str) -> str:
        """The prompt that means a caption as it stands, as it was learned: without weights for what it has in
        brackets."""
        return literal(caption) if self._weighs else caption

    def __call__(self, text: str) -> bool:
        """Whether it can be asked for."""
        return self.refusal(text) is None

    def refusal(self, text: str) -> str | None:
        """Why a text cannot be asked for; None where it can."""
        try:
            request = DrawRequest(prompt=text, seed=0)
            if self._family is not None:
                self._family.resolve(request)
        except ValidationError as error:
            return str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        except InvalidInput as error:
            return str(error)
        return None
