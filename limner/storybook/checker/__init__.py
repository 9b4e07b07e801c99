"""A rule-based checker: which statements of a scene hold for a picture, with reasons.

It tells the place and the time by the layout of tones, finds what stands out against them, and holds templates
made from the drawings against each thing it finds. It judges models; it is never used to train one or to pick
pictures.
"""

from ..verdict import Verdict
from .verdicts import Reading, check, read, verdicts

__all__ = ["Reading", "Verdict", "check", "read", "verdicts"]
