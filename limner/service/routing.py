"""Which methods an address takes, asked of the routes themselves."""

from __future__ import annotations

from starlette.routing import Match, Mount
from starlette.types import Scope

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def methods_of(scope: Scope) -> list[str]:
    """The methods that the address of a request takes; empty where nothing is there."""
    # What is mounted has moved the root to itself.
    root = scope.get("app_root_path", scope.get("root_path", ""))
    return [method for method in _METHODS if is_taken({**scope, "root_path": root, "method": method})]


def is_taken(scope: Scope) -> bool:
    """Whether something takes a request, by its address and method; true outside of an application."""
    if "app" not in scope:
        return True
    for route in scope["app"].routes:
        if route.matches(scope)[0] is Match.FULL:
            return not isinstance(route, Mount) or scope["method"] in {"GET", "HEAD"}
    return False
