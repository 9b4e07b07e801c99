"""The service seen from outside: what happens (`sights`), counted for Prometheus (`metrics`, `gauges`), of the last
minute (`recently`, `status`); every request's id (`requests`); the calls that tell it (`routes`)."""

from .gauges import Gauges
from .metrics import Metrics
from .recently import Recently
from .requests import Seen
from .routes import router
from .sights import Watching

__all__ = ["Gauges", "Metrics", "Recently", "Seen", "Watching", "router"]
