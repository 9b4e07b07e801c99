"""The service seen from outside: what happens (`sights`), counted for Prometheus (`metrics`, `gauges`), of the last
minute (`recently`, `status`), logged (`logs`); traced where
the environment says so (`tracing`, `traces`); every request's id (`requests`); the calls that tell it (`routes`)."""

from .gauges import Gauges
from .logs import FOR_PEOPLE, EventLog, LogSettings, log_as_json
from .metrics import Metrics
from .recently import Recently
from .requests import Seen
from .routes import router
from .sights import Watching
from .tracing import traces_of_environment

__all__ = [
    "FOR_PEOPLE",
    "EventLog",
    "Gauges",
    "LogSettings",
    "Metrics",
    "Recently",
    "Seen",
    "Watching",
    "log_as_json",
    "router",
    "traces_of_environment",
]
