"""How each family of models writes its thoughts, as data, and what parts them from the answer. Pure."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from pipeline.decoders.decoder import Text, Thought, Token, Unit

Kind = Literal["thought", "answer", "hidden"]
"""What the text behind a tag is. Hidden: names of channels and the like."""


@dataclass(frozen=True, slots=True)
class ThoughtFormat:
    """One family's way, white space and all."""

    name: str
    opens: str
    """What stands before a thought."""
    closes: str
    """What stands between a thought and its answer."""
    skips: str
    """What stands before an answer that goes without thoughts."""
    prefilled: bool
    """Whether the chat template itself opens the thought, so that the model never writes `opens`."""
    tags: Mapping[str, Kind]
    """What the model may write between thoughts and answer, each with what follows it."""
    models: str
    """A pattern in the names of the models that do it so."""

    @property
    def marks(self) -> list[str]:
        """The single marks that tags are made of: those that are control tokens must be asked for to be seen."""
        found = (re.findall(r"</?think>|\[/?THINK\]|<\|?\w+\|?>", tag) for tag in self.tags)
        return sorted({mark for marks in found for mark in marks})

    def is_thinking(self, prompt: str) -> bool:
        """Whether what the model writes behind `prompt` begins inside a thought."""
        return bool(self.opens) and prompt.rstrip().endswith(self.opens.rstrip())

    def goes_on_thinking(self, message: Sequence[Unit]) -> bool:
        """Whether the open `message` is gone on with in its thoughts: they stand last, or nothing is written yet."""
        return bool(self.opens) and (not message or isinstance(message[-1], Thought))

    def goes_on(self, prompt: str, message: Sequence[Unit]) -> list[tuple[str, bool]]:
        """`prompt`, which ends where the assistant begins, and its open `message`, ready to be gone on with.

        Pieces of text, each with whether control tokens in it are to be read as such: never in thoughts and words.
        """
        for written in (self.skips, self.opens):  # by the chat template, which does not know what is to follow
            prompt = prompt.removesuffix(written)
        thoughts = "".join(unit.text for unit in message if isinstance(unit, Thought)) if self.opens else ""
        words = "".join(unit.text for unit in message if isinstance(unit, Text))
        if self.goes_on_thinking(message):
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
NONE = ThoughtFormat("none", "", "", "", False, MappingProxyType({}), r"$^")

FORMATS = {
    form.name: form
    for form in (STEP_AUDIO_R1, QWEN3_THINKING, QWEN3, DEEPSEEK_R1, DEEPSEEK_V3, GEMMA4, HARMONY, MISTRAL, NONE)
}
"""By name; of those that a model's name fits, the first counts."""


def format_of_model(name: str) -> ThoughtFormat | None:
    """Of a model that is known by its name only."""
    return next((form for form in FORMATS.values() if re.search(form.models, name.lower())), None)


def format_of_template(template: str) -> ThoughtFormat:
    """Of a model whose chat template is at hand. Whether that opens the thought is seen in what it renders."""
    # Only marks that no other family has: with <|end|>, which Harmony has too, Phi ends its messages.
    for mark, form in (("<|channel|>", HARMONY), ("<|channel>", GEMMA4), ("[THINK]", MISTRAL)):
        if mark in template:
            return form
    if "<think>" in template or "</think>" in template:
        return QWEN3 if re.search(r"<think>(\n|\\n)", template) else DEEPSEEK_V3
    return NONE


def mark_tokens(form: ThoughtFormat, tokenize: Callable[[str], Sequence[int]]) -> frozenset[int]:
    """Single tokens that begin or end something: they must not be skipped when tokens become text.

    `tokenize` reads control tokens as such and adds none of its own.
    """
    marks = (tuple(tokenize(mark)) for mark in form.marks)
    return frozenset(mark[0] for mark in marks if len(mark) == 1)


class ThoughtSplitter:
    """Parts thoughts from the answer, however the tags are split over the pieces of text.

    A tag that does not fit where it stands is dropped like one that does; white space around thoughts goes with them.
    Held back is only what may yet be a tag, and white space at the end of a thought.
    """

    def __init__(self, form: ThoughtFormat, thinking: bool | None = None) -> None:
        """`thinking`: whether the text begins inside a thought; None: if the format's prompt is prefilled."""
        self._tags = form.tags
        self._kind: Kind = "thought" if (form.prefilled if thinking is None else thinking) else "answer"
        self._behind_tag = False
        self._text = ""

    @property
    def thinking(self) -> bool:
        """Whether what comes next is no answer."""
        return self._kind != "answer"

    def answer(self) -> None:
        """The thoughts came by another way: what comes is the answer."""
        self._kind = "answer"

    def push(self, text: str) -> Iterator[Thought | Token]:
        self._text += text
        while (found := self._first_tag()) is not None:
            start, tag = found
            yield from self._part(self._text[:start], ends=True)
            self._text = self._text[start + len(tag) :]
            self._kind = self._tags[tag]
            self._behind_tag = True
        held = self._held()
        ready, self._text = self._text[: len(self._text) - held], self._text[len(self._text) - held :]
        yield from self._part(ready)

    def finish(self) -> Iterator[Thought | Token]:
        """What was held back; a tag that was cut off in the middle is no words, a single bracket may be."""
        text, self._text = self._text, ""
        cut = self._possible_tag(text)
        yield from self._part(text[: len(text) - cut] if cut > 1 else text, ends=True)

    def _part(self, text: str, ends: bool = False) -> Iterator[Thought | Token]:
        if self._behind_tag:
            text = text.lstrip()
        if self._kind == "thought" and ends:
            text = text.rstrip()
        if text:
            self._behind_tag = False
            if self._kind != "hidden":
                yield Thought(text) if self._kind == "thought" else Token(text)

    def _first_tag(self) -> tuple[int, str] | None:
        """Where the first tag stands and which; none while what stands there may grow into a longer one."""
        places = [(place, -len(tag), tag) for tag in self._tags if (place := self._text.find(tag)) >= 0]
        if not places:
            return None
        place, _, tag = min(places)
        rest = self._text[place:]
        return None if any(longer != rest and longer.startswith(rest) for longer in self._tags) else (place, tag)

    def _held(self) -> int:
        """How much of the end of the text must wait for what follows it."""
        tag = self._possible_tag(self._text)
        before = self._text[: len(self._text) - tag]
        return tag + (len(before) - len(before.rstrip()) if self._kind == "thought" else 0)

    def _possible_tag(self, text: str) -> int:
        """Length of the longest end of `text` with which a tag begins, or is there whole and may grow."""
        longest = min(len(text), max(map(len, self._tags), default=0))
        starts = (n for n in range(longest, 0, -1) if any(tag.startswith(text[-n:]) for tag in self._tags))
        return next(starts, 0)
