"""Thinking while speaking: spoken questions in every mode; correctness, latency and fluency of the answers.

The figures are those of table 2 in Mind-Paced Speaking, https://arxiv.org/abs/2510.09592.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from openai.types.realtime import (
    AudioTranscription,
    ConversationItemInputAudioTranscriptionCompletedEvent,
    InputAudioBufferCommitEvent,
    RealtimeAudioConfig,
    RealtimeAudioConfigInput,
    RealtimeErrorEvent,
    RealtimeReasoning,
    RealtimeResponse,
    RealtimeSessionCreateRequest,
    ResponseAudioDeltaEvent,
    ResponseCreateEvent,
    ResponseDoneEvent,
    SessionUpdatedEvent,
    SessionUpdateEvent,
)
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from audio.errors import PlainError
from audio.pcm import Pcm
from bench.conversations.questions import Question, is_right
from bench.report import BAD, GOOD, LINE, PALE, number, percentile
from pipeline.answering.output_items import NOTHING_WRITTEN
from pipeline.profiles import PROFILES
from pipeline.thinking.schedule import MODE_OF_EFFORT, Mode
from realtime.protocol.audio_format import WIRE_RATE
from realtime.protocol.extensions import ThoughtsDeltaEvent
from realtime.protocol.parsing import ServerEvent
from realtime.protocol.server_events import failure_of, words_of
from realtime.settings import Settings
from realtime.terminal.client import Connection, audio_of, connect

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MODES: tuple[Mode, ...] = get_args(Mode)
OWN_QUESTIONS = 3
"""Few enough for all modes to take some minutes."""

_BLOCK_SAMPLES = WIRE_RATE // 50
_PATIENCE_S = 300
"""Longest wait for the end of an answer."""
_APART_S = 0.3
"""Thoughts further apart than this are separate spans."""

Span = tuple[float, float]
"""Seconds from the end of the question."""


class CannotAsk(PlainError):
    """The questions cannot be asked. The message states why and what to do."""


@dataclass(slots=True)
class Answered:
    """The answer to one question in one mode."""

    mode: Mode
    question: str
    category: str
    answer: str
    right: bool = False
    thoughts_before: int = 0
    """Thought tokens before the first word."""
    thought_tokens: int = 0
    thoughts: list[Span] = field(default_factory=list)
    sound: list[Span] = field(default_factory=list)
    """Spans without silence at a client that plays audio as it arrives."""
    heard: str = ""
    said: str = ""

    @property
    def first_packet_ms(self) -> float | None:
        return self.sound[0][0] * 1000 if self.sound else None

    @property
    def total_s(self) -> float | None:
        """Time until the answer has been played."""
        return self.sound[-1][1] if self.sound else None

    @property
    def longest_silence_ms(self) -> float | None:
        """Longest silence in the answer because audio arrived too late."""
        gaps = (start - end for (_, end), (start, _) in zip(self.sound, self.sound[1:], strict=False))
        return max(gaps, default=0.0) * 1000 if self.sound else None

    def as_data(self) -> dict[str, object]:
        figures = ("first_packet_ms", "total_s", "longest_silence_ms")
        return asdict(self) | {name: getattr(self, name) for name in figures}


@dataclass(frozen=True, slots=True)
class Report:
    """Answers of one model in all modes."""

    model: str
    """Its name and thought format."""
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
        """Percentage of correct answers by category."""
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
        """The turns of one question, one row for each mode: thoughts above, audio below."""
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
        """The question with the most thought tokens, of those with an answer in every mode."""
        thoughts = {answer.question: 0 for answer in self.answers}
        for answer in self.answers:
            thoughts[answer.question] += answer.thought_tokens if answer.sound else -(10**9)
        return max(thoughts, key=lambda name: thoughts[name])


def modes_named(names: str) -> list[Mode]:
    """The modes in a comma-separated list. Raises `CannotAsk`."""
    wanted = [name.strip() for name in names.split(",")]
    if unknown := [name for name in wanted if name not in MODES]:
        raise CannotAsk(f"there is no mode of thinking {', '.join(unknown)}; the modes are {', '.join(MODES)}")
    return [mode for mode in MODES if mode in wanted]


def thoughtful(settings: Settings, model: Path | None) -> Settings:
    """`settings` with the GGUF `model`, if given. The embedded models think in words that they were not taught."""
    decoder, embedded = settings.decoder, [profile.decoder for profile in PROFILES.values()]
    if model is not None:
        decoder = decoder.model_copy(update={"backend": "llama", "model": str(model)})
    elif decoder.backend == "llama" and decoder.model in embedded and not decoder.thoughts:
        decoder = decoder.model_copy(update={"thoughts": "plain"})
    return settings.model_copy(update={"decoder": decoder})


def thinker(settings: Settings) -> str:
    """The model's name, and the thought format if one was set."""
    decoder = settings.decoder
    name = Path(decoder.model).name if decoder.backend in ("llama", "torch") else decoder.model
    return f"{name}, thinking in the format of {decoder.thoughts}" if decoder.thoughts else name


async def measure(
    url: str,
    api_key: str,
    questions: Sequence[Question],
    modes: Sequence[Mode],
    model: str,
    progress: Callable[[str], None] = lambda line: None,
) -> Report:
    """Ask the server at `url` each of `questions` in each of `modes`, in a new session. Raises `PlainError`."""
    await _ask(url, api_key, questions[-1], modes[0], max_tokens=1)  # the server's instructions are cached from here on
    answers: list[Answered] = []
    # The order keeps a question from being asked twice in a row, which the server would have cached, and spreads
    # slowdowns of the machine over all modes.
    for turn in range(len(modes)):
        for place, question in enumerate(questions):
            mode = modes[(place + turn) % len(modes)]
            answers.append(await _ask(url, api_key, question, mode))
            done = f"{len(answers)} of {len(questions) * len(modes)}"
            progress(f"{done}: {mode}, {question.name}: {number(answers[-1].first_packet_ms)} ms")
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
            pass  # What did not arrive stays unset.
        finally:
            speaking.cancel()
            await asyncio.wait([speaking])
    return asking.answered


async def _prepare(connection: Connection, mode: Mode, max_tokens: int | None) -> None:
    """Set the session up. The client commits the question, so that no endpointing is measured."""
    effort = next(effort for effort, of in MODE_OF_EFFORT.items() if of == mode)
    heard = RealtimeAudioConfigInput(turn_detection=None, transcription=AudioTranscription(model="antiphon"))
    session = RealtimeSessionCreateRequest(
        type="realtime",
        audio=RealtimeAudioConfig(input=heard),
        reasoning=RealtimeReasoning(effort=effort),
        max_output_tokens="inf" if max_tokens is None else max_tokens,
    )
    await connection.send(SessionUpdateEvent(type="session.update", session=session))
    while not isinstance(event := await connection.receive(), SessionUpdatedEvent):
        _check(event)
    if not isinstance(event.session, RealtimeSessionCreateRequest) or event.session.reasoning is None:
        raise CannotAsk(
            "the model does not think: choose a reasoning model, or set a format in decoder.thoughts, as in "
            "ANTIPHON_DECODER__THOUGHTS=qwen3"
        )


class Asking:
    """One question, spoken in real time, and its answer as it arrives."""

    def __init__(self, connection: Connection, question: Question, mode: Mode) -> None:
        self.answered = Answered(mode, question.name, question.category, question.answer)
        self._connection = connection
        self._asked: float | None = None
        """When the question's last sample was sent."""

    async def speak(self, pcm: Pcm) -> None:
        """Send the question in real time, and ask for the answer."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        for sent in range(0, len(pcm), _BLOCK_SAMPLES):
            await asyncio.sleep(began + sent / WIRE_RATE - loop.time())
            await self._connection.send_audio(pcm[sent : sent + _BLOCK_SAMPLES])
        # The microphone is closed then: without turn detection, silence would be listened to as the next question.
        self._asked = loop.time()
        await self._connection.send(InputAudioBufferCommitEvent(type="input_audio_buffer.commit"))
        await self._connection.send(ResponseCreateEvent(type="response.create"))

    async def listen(self) -> None:
        while not self._take(await self._connection.receive()):
            pass

    def _take(self, event: ServerEvent) -> bool:
        """Note what the event reports. Returns whether it ends the answer."""
        match event:
            case ThoughtsDeltaEvent():
                self._lengthen(self.answered.thoughts, 0, _APART_S)
            case ResponseAudioDeltaEvent():
                self._lengthen(self.answered.sound, len(audio_of(event)) / WIRE_RATE, 0)
            case ConversationItemInputAudioTranscriptionCompletedEvent():
                self.answered.heard = event.transcript.strip()
            case ResponseDoneEvent():
                self._finish(event.response)
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

    def _finish(self, response: RealtimeResponse) -> None:
        answered = self.answered
        failure = failure_of(response) if response.status == "failed" else ""
        if failure and not failure.startswith(NOTHING_WRITTEN):
            raise CannotAsk(f"{answered.question} got no answer: {failure}")
        answered.said = words_of(response)
        answered.right = is_right(answered.answer, answered.said)
        thinking = json.loads((response.metadata or {}).get("thinking", "{}"))
        answered.thought_tokens = thinking.get("tokens") or 0
        answered.thoughts_before = thinking.get("before_speech") or 0


def _check(event: ServerEvent) -> None:
    if isinstance(event, RealtimeErrorEvent):
        raise CannotAsk(f"the server refused: {event.error.message}")


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
    """Percentage of correct answers by category, and over all under the name "all"."""
    groups = {"all": list(answers)}
    for answer in answers:
        groups.setdefault(answer.category, []).append(answer)
    return {name: 100 * sum(answer.right for answer in group) / len(group) for name, group in groups.items()}


def _bars(spans: Sequence[Span]) -> list[tuple[float, float]]:
    """Spans as matplotlib takes them: start and width."""
    return [(start, max(end - start, 0.01)) for start, end in spans]


def _in_short(figures: dict[str, float | int | None]) -> str:
    return f"{figures['right']} of {figures['questions']} right, {number(figures['thoughts_before_p50'])} before"
