"""The command line: one file a verb, `app.py` puts them together, `main` is the entry point."""

from .app import main

__all__ = ["main"]
