"""Model directories: their manifests, where they lie, how a name finds one, and graphs bound to weights."""

from .manifest import Manifest
from .models import Model, Registry, open_model
from .places import data_dir

__all__ = ["Manifest", "Model", "Registry", "data_dir", "open_model"]
