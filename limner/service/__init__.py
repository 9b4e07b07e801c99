"""The service: jobs kept in a database, pictures in a store, events as they are drawn, the page.

`create_app` makes the application over any Studio; `serve` runs it with the local engine.
"""

from .app import create_app
from .server import serve
from .storage import StorageOptions

__all__ = ["StorageOptions", "create_app", "serve"]
