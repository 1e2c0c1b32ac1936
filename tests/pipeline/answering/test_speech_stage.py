"""One answer around a scripted voice: everything is spoken once, in order, and the words stand where they sound."""

from collections.abc import AsyncGenerator, Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.answering.output_items import OutputItems
from pipeline.answering.speech_lead import SpeechLead
from pipeline.answering.speech_stage import SpeechStage
from pipeline.conversation.items import FunctionCall, Message
from pipeline.decoders.decoder import Finished, Generated, Thought, Token, ToolCall
from pipeline.events import Event, OutputAdded, OutputAudio, OutputDone, OutputText
from pipeline.runtime.timeline import Timeline
from pipeline.runtime.workers import Workers
from tests.support.scripted import VOICE_RATE, WORD_SAMPLES, ScriptedVoice
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


async def written(parts: Sequence[Generated]) -> AsyncGenerator[Generated]:
    for part in parts:
        yield part


async def answer(parts: Sequence[Generated], rate: int = 24_000) -> tuple[OutputItems, Collector, RecordingVoice]:
    """Speak to nobody: nothing is ever played."""
    outlet, voice, workers = Collector(), RecordingVoice(), Workers(1)
    items = OutputItems("resp", "audio", rate, outlet, Timeline())
    try:
        await SpeechStage(items, voice, workers, SpeechLead(items, lambda: 0)).run(written(parts))
    finally:
        workers.close()
    return items, outlet, voice


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000])
async def test_the_audio_is_whole_and_the_words_end_where_they_sound(rate: int) -> None:
    items, outlet, _ = await answer([Token("One two, three."), Finished("stop", 1, 0, 3)], rate)
    pcm = np.concatenate([event.pcm for event in outlet.events if isinstance(event, OutputAudio)])
    assert len(pcm) == pytest.approx(3 * WORD_SAMPLES * rate / VOICE_RATE, abs=2)
    assert items.message is not None
    ends = [word.end for word in items.message.words]
    assert ends == pytest.approx([n * WORD_SAMPLES * rate / VOICE_RATE for n in (1, 2, 3)], abs=1)
    assert items.message.text == "One two, three."
    assert items.message.status == "completed"


@settings(max_examples=30)
@given(st.lists(st.sampled_from(["one", "two,", "three.", "four!", "five;", "six?"]), min_size=1, max_size=40))
def test_every_word_is_spoken_once_in_order(words: list[str]) -> None:
    import asyncio

    tokens: list[Generated] = [Token(word if n == 0 else f" {word}") for n, word in enumerate(words)]
    items, outlet, voice = asyncio.run(answer([*tokens, Finished("stop", 1, 0, len(words))]))
    assert [word.written for clause in voice.clauses for word in clause.words] == words
    assert "".join(event.delta for event in outlet.events if isinstance(event, OutputText)) == " ".join(words)
    assert items.message is not None
    ends = [word.end for word in items.message.words]
    assert ends == sorted(ends)


async def test_what_is_written_counts_as_lead_until_its_sound_is_made() -> None:
    text = "One two three four, then five more words come here, and the rest of it. And a last one."
    leads: list[float] = []

    class Watched(ScriptedVoice):
        def speak(self, clause: Clause) -> Iterator[Speech]:
            for speech in super().speak(clause):
                leads.append(lead.seconds())
                yield speech

    workers = Workers(1)
    items = OutputItems("resp", "audio", VOICE_RATE, Collector(), Timeline())
    lead = SpeechLead(items, lambda: 0)
    try:
        await SpeechStage(items, Watched(), workers, lead).run(written([Token(text), Finished("stop", 1, 0, 19)]))
    finally:
        workers.close()
    # A word is reckoned at 0.4 s, and turns out to take 0.2 s.
    made, words = 0.2, len(text.split())
    assert leads == pytest.approx([made * n + 0.4 * (words - n) for n in range(words)])
    assert lead.seconds() == pytest.approx(made * words)


async def test_later_clauses_grow_while_there_is_enough_to_hear() -> None:
    text = "One two three four five six seven eight nine, then ten more words come here now, and the rest of it."
    _, _, voice = await answer([Token(text), Finished("stop", 1, 0, 20)])
    assert [len(clause.words) for clause in voice.clauses] == [9, 12]
    assert voice.clauses[1].words[6].spoken.endswith("now,")


async def test_the_first_clause_is_spoken_where_its_phrase_ends() -> None:
    words = "The capital of France is Paris and it lies in the north of the country."
    tokens = [Token(word if n == 0 else f" {word}") for n, word in enumerate(words.split())]
    _, _, voice = await answer([*tokens, Finished("stop", 1, 0, len(tokens))])
    assert [clause.written for clause in voice.clauses] == [words[:21], words[22:]], "later ones have time"


async def test_an_answer_that_hit_its_limit_is_incomplete() -> None:
    items, _, _ = await answer([Token("And so on and"), Finished("length", 1, 0, 4)])
    assert items.message is not None
    assert items.message.status == "incomplete"
    assert items.message.text == "And so on and"


async def test_speech_and_a_call_are_two_items() -> None:
    parts: list[Generated] = [Token("One moment."), ToolCall("clock", "{}"), Finished("stop", 1, 0, 9)]
    items, outlet, _ = await answer(parts)
    call, message = sorted(items.all, key=lambda item: isinstance(item, Message))
    assert isinstance(call, FunctionCall)
    assert isinstance(message, Message)
    indexes = {event.item.id: event.index for event in outlet.events if isinstance(event, OutputAdded)}
    assert {event.item.id: event.index for event in outlet.events if isinstance(event, OutputDone)} == indexes
    assert sorted(indexes.values()) == [0, 1]


async def test_nothing_but_a_call_says_nothing() -> None:
    items, outlet, _ = await answer([Token("\n"), ToolCall("clock", "{}"), Finished("stop", 1, 0, 9)])
    assert [type(item) for item in items.all] == [FunctionCall]
    assert not [event for event in outlet.events if isinstance(event, OutputAudio)]


async def test_thoughts_are_not_said() -> None:
    parts: list[Generated] = [
        Thought("Hm. Three?"),
        Token("It is"),
        Thought("No."),
        Token(" two."),
        Finished("stop", 1, 0, 9),
    ]
    items, outlet, voice = await answer(parts)
    assert items.message is not None
    assert items.message.text == "It is two."
    assert [word.written for clause in voice.clauses for word in clause.words] == ["It", "is", "two."]
    assert "Hm" not in str([event for event in outlet.events if isinstance(event, OutputText)])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("👍🎉", "I have only a sign for that, which I cannot say."),
        ("```python\nprint(1)\n```", "That is code, which I can only show in writing."),
    ],
)
async def test_an_answer_without_a_sound_says_why(text: str, said: str) -> None:
    items, outlet, voice = await answer([Token(text), Finished("stop", 1, 0, 3)])
    spoken = [word.spoken for clause in voice.clauses for word in clause.words if word.spoken]
    assert [word.strip(",.") for word in spoken] == said.replace(",", "").rstrip(".").split()
    assert any(len(event.pcm) for event in outlet.events if isinstance(event, OutputAudio))
    assert items.message is not None
    assert (items.message.text or "").endswith(said)


async def test_an_answer_with_a_sound_is_not_explained() -> None:
    _, _, voice = await answer([Token("Well done 👍"), Finished("stop", 1, 0, 3)])
    assert [word.spoken for clause in voice.clauses for word in clause.words if word.spoken] == ["Well", "done"]
