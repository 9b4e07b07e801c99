"""What the service answers, as types: shared by the service, which makes them, and the client, which reads them.

Whoever reads passes over what it does not know, so that an older client goes on with a newer service.
"""

from .gallery import (
    FeedbackPage,
    FeedbackView,
    Pins,
)
from .jobs import (
    FINAL,
    AttentionView,
    ImageLink,
    JobPage,
    JobView,
    PictureLink,
    Priority,
    QueuedNote,
    Settings,
    State,
    StepNote,
    Uploaded,
    WithheldView,
)
from .models import (
    DefaultsView,
    Ideas,
    ModelCard,
    ModelList,
    ModelView,
    SizeView,
)
from .problems import (
    FieldProblem,
    Problem,
)
from .status import (
    Health,
    LastMinute,
    MemoryNow,
    Mishap,
    ModelNow,
    QueueNow,
    RunningNow,
    Status,
)

__all__ = [
    "FINAL",
    "AttentionView",
    "DefaultsView",
    "FeedbackPage",
    "FeedbackView",
    "FieldProblem",
    "Health",
    "Ideas",
    "ImageLink",
    "JobPage",
    "JobView",
    "LastMinute",
    "MemoryNow",
    "Mishap",
    "ModelCard",
    "ModelList",
    "ModelNow",
    "ModelView",
    "PictureLink",
    "Pins",
    "Priority",
    "Problem",
    "QueueNow",
    "QueuedNote",
    "RunningNow",
    "Settings",
    "SizeView",
    "State",
    "Status",
    "StepNote",
    "Uploaded",
    "WithheldView",
]
