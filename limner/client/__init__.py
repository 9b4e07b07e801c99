"""A client for the service: `Client`, and `AsyncClient` for asyncio.

It stands apart from what draws: importing it brings in neither the engine nor the service. docs/client.md shows it.
"""

from .asynchronous import AsyncClient, AsyncJob
from .errors import AccessDenied, JobFailed, NotThere, RequestRefused, ServiceBusy, ServiceDown, ServiceError
from .events import Ended, ImageReady, JobEvent, Queued, Step, Withheld
from .requests import Asked
from .results import DrawnPicture
from .synchronous import Client, Job

__all__ = [
    "AccessDenied",
    "Asked",
    "AsyncClient",
    "AsyncJob",
    "Client",
    "DrawnPicture",
    "Ended",
    "ImageReady",
    "Job",
    "JobEvent",
    "JobFailed",
    "NotThere",
    "Queued",
    "RequestRefused",
    "ServiceBusy",
    "ServiceDown",
    "ServiceError",
    "Step",
    "Withheld",
]
