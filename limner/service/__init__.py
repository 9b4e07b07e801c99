"""The service: jobs kept in SQLite, pictures in a folder, events as they are drawn, the page.

`create_app` makes the application over any Studio; `serve` runs it with the local engine.
"""

from .app import create_app
from .server import serve

__all__ = ["create_app", "serve"]
