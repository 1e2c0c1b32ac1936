"""Thinking while speaking: spoken questions through every mode on one model; how often right, how soon, how fluently.

The figures are those of table 2 in Mind-Paced Speaking, https://arxiv.org/abs/2510.09592.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.questions import Question, is_right
from bench.report import BAD, GOOD, LINE, PALE, number, percentile
from pipeline.errors import PlainError
from pipeline.settings import DecoderSettings
from pipeline.thinking import MODE_OF_EFFORT, Mode
from realtime.client import WIRE_RATE, Connection, audio_of, connect
from realtime.settings import Settings
from tts.synthesizer import Pcm

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MODES: tuple[Mode, ...] = get_args(Mode)
OWN_QUESTIONS = 3
"""So few that all modes take some minutes."""

_INSTRUCTIONS = (
    "You are a voice assistant. Work the question out step by step, in short sentences and plain words, "
    "and say the answer at the end."
)
_BLOCK_SAMPLES = WIRE_RATE // 50
_PATIENCE_S = 300
"""Longest wait for the end of an answer."""
_APART_S = 0.3
"""Thoughts that are further apart are two stretches of them."""

Span = tuple[float, float]
"""Seconds from the end of the question."""


class CannotAsk(PlainError):
    """The questions can't be asked; the message says why and what to do."""


@dataclass(slots=True)
class Answered:
    """What came of one question in one mode."""

    mode: Mode
    question: str
    category: str
    answer: str
    right: bool = False
    thoughts_before: int = 0
    """Tokens of thought before the first word."""
    thought_tokens: int = 0
    thoughts: list[Span] = field(default_factory=list)
    sound: list[Span] = field(default_factory=list)
    """Stretches in which a client that plays what it has falls not silent."""
    heard: str = ""
    said: str = ""

    @property
    def first_packet_ms(self) -> float | None:
        return self.sound[0][0] * 1000 if self.sound else None

    @property
    def total_s(self) -> float | None:
        """Until the answer has been played."""
        return self.sound[-1][1] if self.sound else None

    @property
    def longest_silence_ms(self) -> float | None:
        """Inside the answer, because its sound came too late."""
        gaps = (start - end for (_, end), (start, _) in zip(self.sound, self.sound[1:], strict=False))
        return max(gaps, default=0.0) * 1000 if self.sound else None

    def as_data(self) -> dict[str, object]:
        figures = ("first_packet_ms", "total_s", "longest_silence_ms")
        return asdict(self) | {name: getattr(self, name) for name in figures}


@dataclass(frozen=True, slots=True)
class Report:
    model: str
    """Its name, and how it thinks."""
    answers: list[Answered]

    @property
    def modes(self) -> list[Mode]:
        return [mode for mode in MODES if any(answer.mode == mode for answer in self.answers)]

    def as_data(self) -> dict[str, object]:
        answers = [answer.as_data() for answer in self.answers]
        return {"model": self.model, "answers": answers, "summary": self.summary(), "right_percent": self.score()}

    def summary(self) -> dict[Mode, dict[str, float | int | None]]:
        return {mode: _summary([answer for answer in self.answers if answer.mode == mode]) for mode in self.modes}

    def score(self) -> dict[Mode, dict[str, float]]:
        """Percent of right answers, by category."""
        return {mode: _by_category([answer for answer in self.answers if answer.mode == mode]) for mode in self.modes}

    def as_table(self) -> RenderableType:
        columns = ("mode", "right", "thoughts before", "thoughts", "first packet", "total", "longest silence")
        table = Table(*columns, box=None, pad_edge=False)
        for mode, figures in self.summary().items():
            table.add_row(
                mode,
                f"{figures['right']} of {figures['questions']}",
                number(figures["thoughts_before_p50"]),
                number(figures["thought_tokens_p50"]),
                f"{number(figures['first_packet_p50_ms'])} ms",
                f"{number(figures['total_p50_s'], 1)} s",
                f"{number(figures['longest_silence_ms'])} ms",
            )
        score = self.score()
        categories = list(dict.fromkeys(category for percents in score.values() for category in percents))
        shares = Table("right, %", *categories, box=None, pad_edge=False)
        for mode, percents in score.items():
            shares.add_row(mode, *(number(percents.get(category), 1) for category in categories))
        return Group(Text(self.model, "dim"), table, shares)

    def draw(self, figure: "Figure") -> None:
        """The turns of one question, a row a mode: thoughts above, sound below."""
        modes, summary = self.modes, self.summary()
        figure.set_size_inches(8, 0.6 * len(modes) + 1.2)
        axes = figure.subplots()
        drawn = self._drawn()
        for row, mode in enumerate(modes):
            answer = next((answer for answer in self.answers if (answer.mode, answer.question) == (mode, drawn)), None)
            if answer is None:
                continue
            axes.broken_barh(_bars(answer.thoughts), (row - 0.32, 0.3), color=PALE)
            axes.broken_barh(_bars(answer.sound), (row + 0.02, 0.3), color=GOOD)
            silences = [(end, start) for (_, end), (start, _) in zip(answer.sound, answer.sound[1:], strict=False)]
            axes.broken_barh(_bars(silences), (row + 0.02, 0.3), color=BAD)
        labels = [f"{mode}\n{_in_short(summary[mode])}" for mode in modes]
        axes.set_yticks(range(len(modes)), labels)
        axes.set_ylim(len(modes) - 0.5, -0.5)
        axes.axvline(0, color=LINE, linewidth=1)
        axes.set_xlabel("s since the end of the question: thoughts (pale), speech (dark), silence inside it (red)")
        axes.set_title(f"{drawn}, {self.model}")

    def _drawn(self) -> str:
        """The question that was thought about most, of those with an answer in every mode."""
        thoughts = {answer.question: 0 for answer in self.answers}
        for answer in self.answers:
            thoughts[answer.question] += answer.thought_tokens if answer.sound else -(10**9)
        return max(thoughts, key=lambda name: thoughts[name])


def modes_named(names: str) -> list[Mode]:
    """Those of a list with commas. Raises `CannotAsk`."""
    wanted = [name.strip() for name in names.split(",")]
    if unknown := [name for name in wanted if name not in MODES]:
        raise CannotAsk(f"there is no way to think {', '.join(unknown)}; there are {', '.join(MODES)}")
    return [mode for mode in MODES if mode in wanted]


def thoughtful(settings: Settings, model: Path | None) -> Settings:
    """`settings` with the GGUF `model`, if there is one. The embedded model can't think: it is given tags to do so."""
    decoder, embedded = settings.decoder, DecoderSettings()
    if model is not None:
        decoder = decoder.model_copy(update={"backend": "llama", "model": str(model)})
    elif (decoder.backend, decoder.model, decoder.thoughts) == (embedded.backend, embedded.model, ""):
        decoder = decoder.model_copy(update={"thoughts": "qwen3"})
    return settings.model_copy(update={"decoder": decoder})


def thinker(settings: Settings) -> str:
    """The model's name, and how it came to think."""
    decoder = settings.decoder
    name = Path(decoder.model).name if decoder.backend in ("llama", "torch") else decoder.model
    return f"{name}, told to think as {decoder.thoughts} does" if decoder.thoughts else name


async def measure(
    url: str,
    api_key: str,
    questions: Sequence[Question],
    modes: Sequence[Mode],
    model: str,
    tell: Callable[[str], None] = lambda line: None,
) -> Report:
    """Ask the server at `url` each of `questions` in each of `modes`, in a session of its own. Raises `PlainError`."""
    await _ask(url, api_key, questions[-1], modes[0], max_tokens=1)  # from here on the instructions are read
    answers: list[Answered] = []
    # In turn, so that no question is asked twice in a row, which the server would have read, and that a machine that
    # slows down does so for all modes.
    for turn in range(len(modes)):
        for place, question in enumerate(questions):
            mode = modes[(place + turn) % len(modes)]
            answers.append(await _ask(url, api_key, question, mode))
            done = f"{len(answers)} of {len(questions) * len(modes)}"
            tell(f"{done}: {mode}, {question.name}: {number(answers[-1].first_packet_ms)} ms")
    return Report(model, sorted(answers, key=lambda answer: (MODES.index(answer.mode), answer.question)))


async def _ask(url: str, api_key: str, question: Question, mode: Mode, max_tokens: int | None = None) -> Answered:
    async with connect(url, api_key, thoughts=True) as connection:
        await _prepare(connection, mode, max_tokens)
        asking = Asking(connection, question, mode)
        speaking = asyncio.create_task(asking.speak(question.audio.pcm()))
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await asking.listen()
        except TimeoutError:
            pass  # What did not come stays as it was.
        finally:
            speaking.cancel()
            await asyncio.wait([speaking])
    return asking.answered


async def _prepare(connection: Connection, mode: Mode, max_tokens: int | None) -> None:
    """The question is over when it is said to be: what is measured is no waiting for its end."""
    effort = next(effort for effort, of in MODE_OF_EFFORT.items() if of == mode)
    session: dict[str, Any] = {
        "type": "realtime",
        "instructions": _INSTRUCTIONS,
        "audio": {"input": {"turn_detection": None, "transcription": {"model": "antiphon"}}},
        "reasoning": {"effort": effort},
    }
    if max_tokens is not None:
        session["max_output_tokens"] = max_tokens
    await connection.send({"type": "session.update", "session": session})
    while (event := await connection.receive())["type"] != "session.updated":
        _check(event)
    if "reasoning" not in event["session"]:
        raise CannotAsk(
            "the model has no way to think: choose a reasoning model, or name a way in decoder.thoughts, as in "
            "ANTIPHON_DECODER__THOUGHTS=qwen3"
        )


class Asking:
    """One question, spoken in real time, and the answer to it as it comes."""

    def __init__(self, connection: Connection, question: Question, mode: Mode) -> None:
        self.answered = Answered(mode, question.name, question.category, question.answer)
        self._connection = connection
        self._asked: float | None = None
        """When its last sample was sent."""

    async def speak(self, pcm: Pcm) -> None:
        """The question, and then silence for as long as the call lasts."""
        loop = asyncio.get_running_loop()
        began, sent, nothing = loop.time(), 0, np.zeros(_BLOCK_SAMPLES, np.float32)
        while True:
            block = pcm[sent : sent + _BLOCK_SAMPLES]
            await self._connection.send_audio(block if len(block) else nothing)
            sent += _BLOCK_SAMPLES
            if self._asked is None and sent >= len(pcm):
                self._asked = loop.time()
                await self._connection.send({"type": "input_audio_buffer.commit"})
                await self._connection.send({"type": "response.create"})
            await asyncio.sleep(began + sent / WIRE_RATE - loop.time())

    async def listen(self) -> None:
        while not self._take(await self._connection.receive()):
            pass

    def _take(self, event: dict[str, Any]) -> bool:
        """Note what the event says; whether it ends the answer."""
        match event["type"]:
            case "antiphon.thoughts.delta":
                self._lengthen(self.answered.thoughts, 0, _APART_S)
            case "response.output_audio.delta":
                self._lengthen(self.answered.sound, len(audio_of(event)) / WIRE_RATE, 0)
            case "conversation.item.input_audio_transcription.completed":
                self.answered.heard = event["transcript"].strip()
            case "response.done":
                self._finish(event["response"])
                return True
            case _:
                _check(event)
        return False

    def _lengthen(self, spans: list[Span], seconds: float, apart_s: float) -> None:
        assert self._asked is not None
        now = asyncio.get_running_loop().time() - self._asked
        if spans and now <= spans[-1][1] + apart_s:
            start, end = spans[-1]
            spans[-1] = (start, max(end, now) if seconds == 0 else end + seconds)
        else:
            spans.append((now, now + seconds))

    def _finish(self, response: dict[str, Any]) -> None:
        answered = self.answered
        if response["status"] == "failed":
            raise CannotAsk(f"{answered.question} got no answer: {response['status_details']['error']['message']}")
        parts = [part for item in response["output"] for part in item.get("content", ())]
        answered.said = " ".join(part.get("transcript") or "" for part in parts)
        answered.right = is_right(answered.answer, answered.said)
        thinking = json.loads((response.get("metadata") or {}).get("thinking", "{}"))
        answered.thought_tokens = thinking.get("tokens") or 0
        answered.thoughts_before = thinking.get("before_speech") or 0


def _check(event: dict[str, Any]) -> None:
    if event["type"] == "error":
        raise CannotAsk(f"the server refused: {event['error']['message']}")


def _summary(answers: Sequence[Answered]) -> dict[str, float | int | None]:
    packets = [answer.first_packet_ms for answer in answers if answer.first_packet_ms is not None]
    totals = [answer.total_s for answer in answers if answer.total_s is not None]
    silences = [answer.longest_silence_ms for answer in answers if answer.longest_silence_ms is not None]
    return {
        "questions": len(answers),
        "right": sum(answer.right for answer in answers),
        "thoughts_before_p50": percentile([answer.thoughts_before for answer in answers], 50),
        "thought_tokens_p50": percentile([answer.thought_tokens for answer in answers], 50),
        "first_packet_p50_ms": percentile(packets, 50),
        "first_packet_p90_ms": percentile(packets, 90),
        "total_p50_s": percentile(totals, 50),
        "longest_silence_ms": max(silences, default=None),
    }


def _by_category(answers: Sequence[Answered]) -> dict[str, float]:
    """And over all of them, by the name "all"."""
    groups = {"all": list(answers)}
    for answer in answers:
        groups.setdefault(answer.category, []).append(answer)
    return {name: 100 * sum(answer.right for answer in group) / len(group) for name, group in groups.items()}


def _bars(spans: Sequence[Span]) -> list[tuple[float, float]]:
    """As matplotlib has them: start and width."""
    return [(start, max(end - start, 0.01)) for start, end in spans]


def _in_short(figures: dict[str, float | int | None]) -> str:
    return f"{figures['right']} of {figures['questions']} right, {number(figures['thoughts_before_p50'])} before"
