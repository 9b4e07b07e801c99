"""Gates: what prompts and pictures must pass before anything is drawn, kept or shown.

A gate is a callable that gives None, or the reason why it refuses. One that fails or does not answer closes.
"""

from .checking import Gates, PictureGate, Pixels, PromptGate
from .plugins import GateOptions, open_gates

__all__ = ["GateOptions", "Gates", "PictureGate", "Pixels", "PromptGate", "open_gates"]
