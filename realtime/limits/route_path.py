"""The path by which the application routes a request."""

from collections.abc import Mapping
from typing import Any


def route_path(scope: Mapping[str, Any]) -> str:
    """The path of a request's ASGI scope without the prefix under which a server mounts the application.

    The routes match this path, so whatever decides by paths must too: a key that is asked for "/v1/" is asked for
    "/agents/v1/" where the application is at "/agents".
    """
    path: str = scope.get("path", "")
    rest = path.removeprefix(scope.get("root_path", ""))
    return rest if not rest or rest.startswith("/") else path
