"""The subjects of Storybook: one file for each group of drawings, one table of all of them."""

from .subject import Drawing, Subject

__all__ = ["SUBJECTS", "Drawing", "Subject"]

_GROUPS: tuple[tuple[Subject, ...], ...] = ()

SUBJECTS: dict[str, Subject] = {subject.name: subject for group in _GROUPS for subject in group}
