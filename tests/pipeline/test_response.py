"""One answer around a scripted voice: everything is spoken once, in order, and the words stand where they sound."""

from collections.abc import AsyncGenerator, Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.decoders.decoder import Finished, Thought, Token, ToolCall, Written
from pipeline.events import Event, OutputAdded, OutputAudio, OutputDone, OutputText
from pipeline.items import FunctionCall, Message
from pipeline.response import Means, Response
from pipeline.timeline import Timeline
from pipeline.workers import Workers
from tests.doubles import VOICE_RATE, WORD_SAMPLES, ScriptedVoice
from tts.synthesizer import Clause, Speech


class Collector:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        self.events.append(event)

    async def ready(self) -> None:
        pass


class RecordingVoice(ScriptedVoice):
    """Remembers what it was asked to say."""

    def __init__(self) -> None:
        self.clauses: list[Clause] = []

    def speak(self, clause: Clause) -> Iterator[Speech]:
        self.clauses.append(clause)
        return super().speak(clause)


async def written(parts: Sequence[Written]) -> AsyncGenerator[Written]:
    for part in parts:
        yield part


async def answer(parts: Sequence[Written], rate: int = 24_000) -> tuple[Response, Collector, RecordingVoice]:
    outlet, voice, workers = Collector(), RecordingVoice(), Workers(1)
    try:
        response = Response("resp", Means(workers, voice, rate, lambda: 0), outlet, Timeline())
        await response.run(written(parts))
    finally:
        workers.close()
    return response, outlet, voice


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000])
async def test_the_audio_is_whole_and_the_words_end_where_they_sound(rate: int) -> None:
    response, outlet, _ = await answer([Token("One two, three."), Finished("stop", 1, 0, 3)], rate)
    pcm = np.concatenate([event.pcm for event in outlet.events if isinstance(event, OutputAudio)])
    assert len(pcm) == pytest.approx(3 * WORD_SAMPLES * rate / VOICE_RATE, abs=2)
    assert response.message is not None
    ends = [word.end for word in response.message.words]
    assert ends == pytest.approx([n * WORD_SAMPLES * rate / VOICE_RATE for n in (1, 2, 3)], abs=1)
    assert response.message.text == "One two, three."
    assert response.message.status == "completed"


@settings(max_examples=30)
@given(st.lists(st.sampled_from(["one", "two,", "three.", "four!", "five;", "six?"]), min_size=1, max_size=40))
def test_every_word_is_spoken_once_in_order(words: list[str]) -> None:
    import asyncio

    tokens: list[Written] = [Token(word if n == 0 else f" {word}") for n, word in enumerate(words)]
    response, outlet, voice = asyncio.run(answer([*tokens, Finished("stop", 1, 0, len(words))]))
    assert [word.written for clause in voice.clauses for word in clause.words] == words
    assert "".join(event.delta for event in outlet.events if isinstance(event, OutputText)) == " ".join(words)
    assert response.message is not None
    ends = [word.end for word in response.message.words]
    assert ends == sorted(ends)


async def test_what_is_written_counts_as_lead_until_its_sound_is_made() -> None:
    text = "One two three four, then five more words come here, and the rest of it. And a last one."
    leads: list[float] = []

    class Watched(ScriptedVoice):
        def speak(self, clause: Clause) -> Iterator[Speech]:
            for speech in super().speak(clause):
                leads.append(response.lead_s())
                yield speech

    workers = Workers(1)
    try:
        response = Response("resp", Means(workers, Watched(), VOICE_RATE, lambda: 0), Collector(), Timeline())
        await response.run(written([Token(text), Finished("stop", 1, 0, 19)]))
    finally:
        workers.close()
    # A word is reckoned at 0.4 s, and turns out to take 0.2 s.
    made, words = 0.2, len(text.split())
    assert leads == pytest.approx([made * n + 0.4 * (words - n) for n in range(words)])
    assert response.lead_s() == pytest.approx(made * words)


async def test_later_clauses_grow_while_there_is_enough_to_hear() -> None:
    text = "One two three four five six seven eight nine, then ten more words come here now, and the rest of it."
    _, _, voice = await answer([Token(text), Finished("stop", 1, 0, 20)])
    assert [len(clause.words) for clause in voice.clauses] == [9, 12]
    assert voice.clauses[1].words[6].spoken.endswith("now,")


async def test_an_answer_that_hit_its_limit_is_incomplete() -> None:
    response, _, _ = await answer([Token("And so on and"), Finished("length", 1, 0, 4)])
    assert response.message is not None
    assert response.message.status == "incomplete"
    assert response.message.text == "And so on and"


async def test_speech_and_a_call_are_two_items() -> None:
    parts: list[Written] = [Token("One moment."), ToolCall("clock", "{}"), Finished("stop", 1, 0, 9)]
    response, outlet, _ = await answer(parts)
    call, message = sorted(response.outputs, key=lambda item: isinstance(item, Message))
    assert isinstance(call, FunctionCall)
    assert isinstance(message, Message)
    indexes = {event.item.id: event.index for event in outlet.events if isinstance(event, OutputAdded)}
    assert {event.item.id: event.index for event in outlet.events if isinstance(event, OutputDone)} == indexes
    assert sorted(indexes.values()) == [0, 1]


async def test_nothing_but_a_call_says_nothing() -> None:
    response, outlet, _ = await answer([Token("\n"), ToolCall("clock", "{}"), Finished("stop", 1, 0, 9)])
    assert [type(item) for item in response.outputs] == [FunctionCall]
    assert not [event for event in outlet.events if isinstance(event, OutputAudio)]


async def test_thoughts_are_not_said() -> None:
    parts: list[Written] = [
        Thought("Hm. Three?"),
        Token("It is"),
        Thought("No."),
        Token(" two."),
        Finished("stop", 1, 0, 9),
    ]
    response, outlet, voice = await answer(parts)
    assert response.message is not None
    assert response.message.text == "It is two."
    assert [word.written for clause in voice.clauses for word in clause.words] == ["It", "is", "two."]
    assert "Hm" not in str([event for event in outlet.events if isinstance(event, OutputText)])
