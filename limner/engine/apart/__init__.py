"""The engine apart: a Studio whose engine lives in a child process that is watched and started again.

`ApartStudio` is what callers use. Parent and child speak in frames (`framing`) that carry typed messages (`messages`);
no code and no pickle crosses between them. `child` is what runs over there, `process` one life of it, `studio` what
holds requests on this side, `supervising` when a life has to end and when the next begins.
"""

from .studio import ApartStudio
from .supervising import Rules

__all__ = ["ApartStudio", "Rules"]
