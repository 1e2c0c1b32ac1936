"""Ids for items, responses and calls."""

import secrets
from typing import Literal


def new_id(kind: Literal["item", "resp", "call", "event", "sess", "conv", "rtc"]) -> str:
    """A new random id, such as "item_6f1b…"."""
    return f"{kind}_{secrets.token_hex(10)}"
