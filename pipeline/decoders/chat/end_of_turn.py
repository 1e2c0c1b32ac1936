"""Asks a server whether somebody who speaks has finished, by its probabilities of the next token."""

import asyncio
import logging
import math
import re
from typing import Any, cast

from openai import APIStatusError, AsyncOpenAI, OpenAIError
from pydantic import BaseModel, ValidationError

from pipeline.decoders.messages import closes_a_sentence

log = logging.getLogger(__name__)

_CANDIDATES = 20
"""Most probable tokens that are looked at: the most that servers name."""
_CONTROL = re.compile(r"<[^<>\s]+>|\[/?[A-Z_]+\]")
"""A control token, as the formats of chats have them: where a message continues, it can only be its end."""


class EndOfTurnQuestion:
    """The question of one decoder, until its server turns out not to take it.

    It needs the extensions of vLLM: a user's message that the model continues, and the role of what it wrote. Servers
    without them refuse the request, or answer in the assistant's role.
    """

    def __init__(self, client: AsyncOpenAI, model: str, within_s: float) -> None:
        """`within_s`: longest wait for an opinion. After that a turn ends by its silence, as where there is none."""
        self._client = client
        self._within_s = within_s
        self._model = model
        self._offered = True

    async def ask(self, messages: list[dict[str, Any]], tools: list[dict[str, Any]]) -> float | None:
        """The probability, 0 to 1, that the last of `messages` is complete; None: the server has no opinion, or none
        in time. The server has then read the messages into its prefix cache, where an answer finds them."""
        if not self._offered:
            return None
        try:
            async with asyncio.timeout(self._within_s):
                # Validated here: the client hands out whatever the server sent, also what is no completion.
                answer = await self._client.chat.completions.with_raw_response.create(
                    model=self._model,
                    messages=cast(Any, messages),
                    max_tokens=1,
                    temperature=0,
                    logprobs=True,
                    top_logprobs=_CANDIDATES,
                    # The tools stand in the prompt, as for the answer; that none is to be called changes nothing there.
                    extra_body={"continue_final_message": True, "add_generation_prompt": False}
                    | ({"tools": tools, "tool_choice": "none"} if tools else {}),
                )
        except TimeoutError:
            return None
        except APIStatusError as error:
            self._offered = error.status_code >= 500 or error.status_code in (408, 429)
            return None
        except OpenAIError:
            return None  # the answer will meet the same error, and reports it
        probability = _probability(answer.content)
        if probability is None:
            log.info("%s has no opinion about ends of turns", self._client.base_url)
            self._offered = False
        return probability


class _Candidate(BaseModel):
    token: str
    logprob: float


class _Position(BaseModel):
    top_logprobs: list[_Candidate]


class _Logprobs(BaseModel):
    content: list[_Position] | None


class _Message(BaseModel):
    role: str


class _Choice(BaseModel):
    message: _Message
    logprobs: _Logprobs | None = None


class _Completion(BaseModel):
    """What is read of a chat completion."""

    choices: list[_Choice]


def _probability(answer: bytes) -> float | None:
    """None: the server did not continue the user's message, has no probabilities, or sent no completion at all."""
    try:
        choices = _Completion.model_validate_json(answer).choices
    except ValidationError:
        return None
    for choice in choices:
        if choice.message.role != "user" or choice.logprobs is None or not choice.logprobs.content:
            break
        return sum(
            math.exp(candidate.logprob)
            for candidate in choice.logprobs.content[0].top_logprobs
            if closes_a_sentence(candidate.token) or _CONTROL.fullmatch(candidate.token)
        )
    return None
