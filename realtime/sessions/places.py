"""Names of sessions and calls that say which replica holds them, for whoever routes to it. Pure."""

_AT = "."
"""Between a name, which has no such character, and the place."""


def placed(name: str, place: str) -> str:
    """`name` with the replica that holds it; `place` is "" where there is only one."""
    return f"{name}{_AT}{place}" if place else name


def name_of(placed: str) -> str:
    """The name without its place."""
    return placed.partition(_AT)[0]


def place_of(placed: str) -> str:
    """The replica that a name names; "" if it names none."""
    return placed.partition(_AT)[2]
