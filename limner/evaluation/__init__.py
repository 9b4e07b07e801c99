"""How well a model draws what it is told: pictures of the frozen prompts, checked statement by statement.

`run.evaluate` draws, checks and writes a card; `checking` measures the checker itself, without any model.
"""

from .card import Card
from .intervals import wilson

__all__ = ["Card", "wilson"]
