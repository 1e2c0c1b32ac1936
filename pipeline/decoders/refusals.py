"""Recognizes requests that a server refuses for good, by its HTTP status and what it says. Pure."""

import re

from pipeline.decoders.decoder import Refusal

_OF_CONTEXT = re.compile(
    r"context[_ ](length|size|window)|maximum context|exceed\w*[^.]{0,40}\b(context|tokens)"
    r"|too many tokens|prompt is too long",
    re.IGNORECASE,
)
"""What OpenAI's API, vLLM, llama.cpp and others say of a prompt that is too long."""
_PASSING = (408, 409, 425, 429)
"""Statuses of the client's side that another try may change: time-outs and rates."""


def refusal_of(status: int, text: str) -> Refusal | None:
    """Why a server that answered with `status` and `text` would refuse the same again; None: it might not."""
    if not 400 <= status < 500 or status in _PASSING:
        # llama.cpp reports some long prompts as errors of its own.
        return Refusal.CONTEXT if status == 500 and "exceed_context_size" in text else None
    if status in (401, 403):
        return Refusal.ACCESS
    if status == 404:
        return Refusal.MODEL
    if status == 413 or _OF_CONTEXT.search(text):
        return Refusal.CONTEXT
    if re.search(r"model_not_found|model\b.{0,80}\b(does not exist|not found)|unknown model", text, re.IGNORECASE):
        return Refusal.MODEL
    return Refusal.REQUEST
