"""What people say of pictures: votes, notes, better captions, the better of two; and its way out as a captioned set."""

from .export import Exported, export
from .store import FeedbackStore, Said

__all__ = ["Exported", "FeedbackStore", "Said", "export"]
