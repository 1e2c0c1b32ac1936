"""How each family of models writes its thoughts, as data, and how they are separated from the answer. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from pipeline.decoders.decoder import Text, Thought, Token, Unit

Kind = Literal["thought", "answer", "hidden"]
"""What the text after a tag is. Hidden: names of channels and the like."""


@dataclass(frozen=True, slots=True)
class ThoughtFormat:
    """How one family of models writes its thoughts, white space included."""

    name: str
    opens: str
    """Text before a thought."""
    closes: str
    """Text between a thought and its answer."""
    skips: str
    """Text before an answer without thoughts."""
    prefilled: bool
    """Whether the chat template opens the thought, so that the model never writes `opens`."""
    tags: Mapping[str, Kind]
    """Tags that the model may write between thoughts and answer, each with the kind of text that follows it."""
    models: str
    """Regular expression for the names of the models that use this format."""
    aloud: bool = False
    """Whether thoughts are plain sentences, fit to be heard."""

    @property
    def marks(self) -> list[str]:
        """The marks that the tags consist of. Servers write out those that are control tokens only on request."""
        found = (re.findall(r"</?think>|\[/?THINK\]|<\|?\w+\|?>", tag) for tag in self.tags)
        return sorted({mark for marks in found for mark in marks})

    def is_thinking(self, prompt: str) -> bool:
        """Whether generation after `prompt` begins inside a thought."""
        return bool(self.opens) and prompt.rstrip().endswith(self.opens.rstrip())

    def continues_thought(self, message: Sequence[Unit]) -> bool:
        """Whether generation continues the thoughts of the open `message`: they come last, or it is empty."""
        return bool(self.opens) and (not message or isinstance(message[-1], Thought))

    def continuation(self, prompt: str, message: Sequence[Unit]) -> list[tuple[str, bool]]:
        """`prompt`, which ends where the assistant begins, followed by its open `message`, ready to be continued.

        Pieces of text, each with whether control tokens spelled out in it are to be read as such: never in thoughts
        and answers.
        """
        for written in (self.skips, self.opens):  # by the chat template, which does not know what follows
            prompt = prompt.removesuffix(written)
        thoughts = "".join(unit.text for unit in message if isinstance(unit, Thought)) if self.opens else ""
        words = "".join(unit.text for unit in message if isinstance(unit, Text))
        if self.continues_thought(message):
            pieces = [(prompt + self.opens, True), (thoughts, False)]
        elif thoughts:
            pieces = [(prompt + self.opens, True), (thoughts, False), (self.closes, True), (words, False)]
        else:
            pieces = [(prompt + self.skips, True), (words, False)]
        return [(text, control) for text, control in pieces if text]


_THINK: Mapping[str, Kind] = MappingProxyType({"<think>": "thought", "</think>": "answer"})

QWEN3 = ThoughtFormat(
    name="qwen3",
    opens="<think>\n",
    closes="\n</think>\n\n",
    skips="<think>\n\n</think>\n\n",
    prefilled=False,
    tags=_THINK,
    models=r"qwen-?3(?!.*(instruct|coder))|qwq|smollm-?3",
)
QWEN3_THINKING = ThoughtFormat(
    "qwen3-thinking", QWEN3.opens, QWEN3.closes, QWEN3.skips, True, _THINK, r"qwen-?3.*thinking|qwen-?3\.5"
)
DEEPSEEK_R1 = ThoughtFormat(
    "deepseek-r1", "<think>\n", "\n</think>\n\n", "<think>\n\n</think>\n\n", True, _THINK, r"deepseek-r1"
)
DEEPSEEK_V3 = ThoughtFormat("deepseek-v3.1", "<think>", "</think>", "</think>", True, _THINK, r"deepseek-v3\.[1-9]")
STEP_AUDIO_R1 = ThoughtFormat(
    "step-audio-r1", "<think>\n", "\n</think>\n\n", "<think>\n\n</think>\n\n", True, _THINK, r"step-audio-r1"
)
GEMMA4 = ThoughtFormat(
    name="gemma4",
    opens="<|channel>thought\n",
    closes="\n<channel|>",
    skips="<|channel>thought\n<channel|>",
    prefilled=False,
    tags=MappingProxyType({"<|channel>thought": "thought", "<|channel>": "thought", "<channel|>": "answer"}),
    models=r"gemma-?4",
)
HARMONY = ThoughtFormat(
    name="harmony",
    opens="<|channel|>analysis<|message|>",
    closes="<|end|><|start|>assistant<|channel|>final<|message|>",
    skips="<|channel|>final<|message|>",
    prefilled=False,
    tags=MappingProxyType(
        {
            "<|channel|>final<|message|>": "answer",
            "<|channel|>": "hidden",
            "<|message|>": "thought",
            "<|end|>": "hidden",
            "<|start|>": "hidden",
            "<|return|>": "hidden",
            "<|call|>": "hidden",
        }
    ),
    models=r"gpt-oss",
)
MISTRAL = ThoughtFormat(
    name="mistral",
    opens="[THINK]",
    closes="[/THINK]",
    skips="",
    prefilled=False,
    tags=MappingProxyType({"[THINK]": "thought", "[/THINK]": "answer"}),
    models=r"magistral|ministral.*reasoning",
)
_WORKING_OUT = "Reasoning: Let me work it out."
PLAIN = ThoughtFormat(
    name="plain",
    opens=f"{_WORKING_OUT} ",
    closes="\n\nAnswer:",
    skips="",
    prefilled=False,
    tags=MappingProxyType({_WORKING_OUT: "thought", "Reasoning:": "thought", "Answer:": "answer"}),
    models=r"$^",
    aloud=True,
)
"""For models that were never taught to think in tags of their own: they know these words from what they have read. By
"Reasoning:" alone, they settle for one step of several."""
NONE = ThoughtFormat("none", "", "", "", False, MappingProxyType({}), r"$^")

FORMATS = {
    form.name: form
    for form in (STEP_AUDIO_R1, QWEN3_THINKING, QWEN3, DEEPSEEK_R1, DEEPSEEK_V3, GEMMA4, HARMONY, MISTRAL, PLAIN, NONE)
}
"""Formats by name. Of those whose `models` matches a model's name, the first counts."""


def format_of_model(name: str) -> ThoughtFormat | None:
    """The format of a model that is known by its name only; None for an unknown model."""
    return next((form for form in FORMATS.values() if re.search(form.models, name.lower())), None)


def format_of_template(template: str) -> ThoughtFormat:
    """The format of a model with this chat template. Whether that opens the thought shows in its output."""
    # Only marks that no other family uses: Phi ends its messages with <|end|>, which Harmony has, too.
    for mark, form in (("<|channel|>", HARMONY), ("<|channel>", GEMMA4), ("[THINK]", MISTRAL)):
        if mark in template:
            return form
    if "<think>" in template or "</think>" in template:
        return QWEN3 if re.search(r"<think>(\n|\\n)", template) else DEEPSEEK_V3
    return NONE


def mark_tokens(form: ThoughtFormat, tokenize: Callable[[str], Sequence[int]]) -> frozenset[int]:
    """The tags' marks that are single tokens: they must not be skipped when tokens are decoded.

    `tokenize` reads control tokens as such and adds none of its own.
    """
    marks = (tuple(tokenize(mark)) for mark in form.marks)
    return frozenset(mark[0] for mark in marks if len(mark) == 1)


class ThoughtSplitter:
    """Separates thoughts from the answer, however the tags are split over the pieces of text.

    A tag in an unexpected place is dropped like any other, and so is white space around thoughts. Only what may yet
    become a tag, and white space at the end of a thought, is held back.
    """

    def __init__(self, form: ThoughtFormat, thinking: bool | None = None) -> None:
        """`thinking`: whether the text begins inside a thought; None: as `form.prefilled` has it."""
        self._tags = form.tags
        self._kind: Kind = "thought" if (form.prefilled if thinking is None else thinking) else "answer"
        self._after_tag = False
        self._text = ""

    @property
    def thinking(self) -> bool:
        """Whether the next text is not part of the answer."""
        return self._kind != "answer"

    def answer(self) -> None:
        """Treat what follows as the answer: the thoughts arrived in a field of their own."""
        self._kind = "answer"

    def push(self, text: str) -> Iterator[Thought | Token]:
        """Take the next piece of text, and give what is certain."""
        self._text += text
        while (found := self._first_tag()) is not None:
            start, tag = found
            yield from self._part(self._text[:start], ends=True)
            self._text = self._text[start + len(tag) :]
            self._kind = self._tags[tag]
            self._after_tag = True
        held = self._held()
        ready, self._text = self._text[: len(self._text) - held], self._text[len(self._text) - held :]
        yield from self._part(ready)

    def finish(self) -> Iterator[Thought | Token]:
        """What was held back. A tag that was cut off is dropped, unless it is a single character."""
        text, self._text = self._text, ""
        cut = self._possible_tag(text)
        yield from self._part(text[: len(text) - cut] if cut > 1 else text, ends=True)

    def _part(self, text: str, ends: bool = False) -> Iterator[Thought | Token]:
        if self._after_tag:
            text = text.lstrip()
        if self._kind == "thought" and ends:
            text = text.rstrip()
        if text:
            self._after_tag = False
            if self._kind != "hidden":
                yield Thought(text) if self._kind == "thought" else Token(text)

    def _first_tag(self) -> tuple[int, str] | None:
        """Position of the first tag, and the tag; None also while it may grow into a longer one."""
        places = [(place, -len(tag), tag) for tag in self._tags if (place := self._text.find(tag)) >= 0]
        if not places:
            return None
        place, _, tag = min(places)
        rest = self._text[place:]
        return None if any(longer != rest and longer.startswith(rest) for longer in self._tags) else (place, tag)

    def _held(self) -> int:
        """Number of characters at the end of the text that must wait for what follows them."""
        tag = self._possible_tag(self._text)
        before = self._text[: len(self._text) - tag]
        return tag + (len(before) - len(before.rstrip()) if self._kind == "thought" else 0)

    def _possible_tag(self, text: str) -> int:
        """Length of the longest suffix of `text` that is a tag, which may grow, or the beginning of one."""
        longest = min(len(text), max(map(len, self._tags), default=0))
        starts = (n for n in range(longest, 0, -1) if any(tag.startswith(text[-n:]) for tag in self._tags))
        return next(starts, 0)
