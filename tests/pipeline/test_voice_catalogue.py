"""Voices that are loaded when they are asked for, and one that stands in for another that failed."""

import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audio.errors import PlainError
from audio.pcm import Pcm
from pipeline.backends import LoadFailed
from pipeline.commands import Respond, Update
from pipeline.conversation.items import Message
from pipeline.events import OutputAudio, Refused, ResponseDone, Updated
from pipeline.settings import AgentSettings, ModelSettings, PipelineSettings, VoiceSettings
from pipeline.voice_catalogue import State, VoiceCatalogue, VoiceGroup, VoiceNotAtHand, voices_at_hand
from pipeline.weights.store import ModelStore
from tests.support import scripted
from tests.support.talk import SETTINGS, talk
from tts.synthesizer import Clause, Speech, SpeechFailed, Synthesizer, UnknownVoice, Voice, VoiceInfo, WordTime

BY_HAND = replace(SETTINGS, turn_detection=None)
SORRY = "I am sorry, my voice is gone."
NOT_SPOKEN = "The answer could not be spoken; the log of this server says why."
"""Error for the client; what the speech server said may be a secret."""


class Singer:
    """One voice that hums at a loudness of its own, and fails at the word "fail"."""

    def __init__(self, name: str, level: float = 0.1, rate: int = 24_000, waits: bool = False) -> None:
        self.voices = (VoiceInfo(name, "en", "none"),)
        self.level = level
        self.rate = rate
        self.waits = waits
        self.closed = False
        self.threads: set[str] = set()

    def open(self, voice: str) -> Voice:
        return Hum(self)

    def close(self) -> None:
        self.closed = True


class Hum:
    def __init__(self, singer: Singer) -> None:
        self._singer = singer
        self.sample_rate = singer.rate
        self.waits = singer.waits

    def speak(self, clause: Clause) -> Iterator[Speech]:
        length = self.sample_rate // 10
        for index, word in enumerate(clause.words):
            self._singer.threads.add(threading.current_thread().name)
            if word.spoken.lower().startswith("fail"):
                raise SpeechFailed("the server is gone")
            pcm: Pcm = np.full(length, self._singer.level, np.float32)
            yield Speech(pcm, (WordTime(index, index * length, (index + 1) * length),))


class Mute(Singer):
    def __init__(self) -> None:
        super().__init__("mute")

    def open(self, voice: str) -> Voice:
        raise SpeechFailed("its file is broken")


def part(singer: Singer, engine: str = "piper", state: State = "on disk", loads: list[str] | None = None) -> VoiceGroup:
    def load() -> Synthesizer:
        if loads is not None:
            loads.append(singer.voices[0].name)
        return singer

    return VoiceGroup(engine, singer.voices, load, lambda: state, "run antiphon models pull it")


def names(choir: VoiceCatalogue) -> list[str]:
    return [voice.name for voice in choir.voices]


def test_a_voice_is_loaded_once_and_when_it_is_asked_for() -> None:
    loads: list[str] = []
    choir = VoiceCatalogue([part(Singer("joe"), loads=loads), part(Singer("ann"), loads=loads)])
    choir.load(choir.first)
    assert [listed.state for listed in choir.list()] == ["loaded", "on disk"]
    with pytest.raises(VoiceNotAtHand, match="'ann' is not loaded"):
        choir.open("ann")
    asking = [threading.Thread(target=choir.load, args=("ann",)) for _ in range(4)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert loads == ["joe", "ann"]
    assert choir.open("ann").sample_rate == 24_000


def test_a_voice_that_is_not_here_is_refused_with_what_to_do() -> None:
    choir = VoiceCatalogue(
        [part(Singer("joe")), part(Singer("ann"), state="to be fetched"), part(Singer("bob"), state="elsewhere")]
    )
    assert names(choir) == ["joe", "bob"]
    assert choir.absent() == {"ann": "run antiphon models pull it"}
    with pytest.raises(VoiceNotAtHand, match="'ann' is not on this machine: run antiphon models pull it"):
        choir.load("ann")
    with pytest.raises(UnknownVoice, match="there are joe, ann, bob"):
        choir.load("eve")


def test_a_voice_whose_server_is_gone_is_named() -> None:
    class Gone(Singer):
        def open(self, voice: str) -> Voice:
            raise SpeechFailed("it does not answer")

    with pytest.raises(LoadFailed, match="the voice far can't be loaded: SpeechFailed: it does not answer"):
        VoiceCatalogue([part(Gone("far"), "http", "elsewhere")]).load("far")


def test_the_first_voice_is_fetched_where_it_is_missing() -> None:
    choir = VoiceCatalogue([part(Singer("joe"), state="to be fetched")])
    choir.load("joe")
    assert choir.is_loaded("joe")


def test_only_a_voice_of_this_machine_stands_in_a_loaded_one_first() -> None:
    loads: list[str] = []
    choir = VoiceCatalogue(
        [
            part(Singer("far"), "http", "elsewhere"),
            part(Singer("ann"), "kokoro", loads=loads),
            part(Singer("joe"), loads=loads),
        ]
    )
    choir.load("far")
    assert choir.stand_in("far") is not None
    assert loads == ["ann"]
    choir.load("joe")
    assert choir.stand_in("ann") is not None
    assert loads == ["ann", "joe"]
    assert VoiceCatalogue([part(Singer("far"), "http", "elsewhere")]).stand_in("far") is None


def test_what_depends_on_a_server_has_its_stand_in_ready_from_the_start() -> None:
    loads: list[str] = []
    far, joe = part(Singer("far"), "http", "elsewhere"), part(Singer("joe"), loads=loads)
    VoiceCatalogue([far, joe]).prepare()
    assert loads == ["joe"]
    VoiceCatalogue([joe, part(Singer("ann"), "kokoro", loads=loads), far]).prepare()
    assert loads == ["joe", "joe"]
    broken = VoiceGroup("piper", joe.voices, Mute, lambda: "on disk")
    VoiceCatalogue([far, broken]).prepare()


def test_closing_closes_what_was_loaded() -> None:
    joe, ann = Singer("joe"), Singer("ann")
    choir = VoiceCatalogue([part(joe), part(ann)])
    choir.load("joe")
    choir.close()
    assert (joe.closed, ann.closed) == (True, False)


def test_the_voices_at_hand_begin_with_that_of_the_settings(tmp_path: Path) -> None:
    store = ModelStore(tmp_path, offline=True)
    own = PipelineSettings(voice=VoiceSettings(backend="kokoro", name="bf_emma"))
    choir = voices_at_hand(own, store)
    assert choir.first == "bf_emma"
    assert {listed.voice.name for listed in choir.list()} > {"en_US-joe-medium", "af_heart"}
    assert {listed.state for listed in choir.list()} == {"to be fetched"}
    assert choir.absent()["af_heart"] == "run antiphon models pull kokoro-voices kokoro-82m"
    assert {listed.voice.language for listed in choir.list()} == {"en-US", "en-GB"}


def test_a_voice_that_the_table_does_not_have_is_one_of_its_own(tmp_path: Path) -> None:
    far = VoiceSettings(backend="http", name="alloy", url="http://127.0.0.1:1/v1")
    choir = voices_at_hand(PipelineSettings(voice=far), ModelStore(tmp_path, offline=True))
    assert names(choir) == ["alloy"]
    file = tmp_path / "kim.onnx"
    file.touch()
    choir = voices_at_hand(PipelineSettings(voice=VoiceSettings(name=str(file))), ModelStore(tmp_path, offline=True))
    assert names(choir) == ["kim"]


@pytest.mark.parametrize(
    "voice",
    [
        VoiceSettings(backend="xtts", model="tts_models/en/ljspeech/vits", name="ljspeech"),
        VoiceSettings(backend="pocket", name="alba"),
    ],
    ids=lambda voice: voice.backend,
)
def test_what_a_package_would_fetch_is_refused_off_line(voice: VoiceSettings, tmp_path: Path) -> None:
    settings = PipelineSettings(voice=voice, models=ModelSettings(offline=True))
    choir = voices_at_hand(settings, ModelStore(tmp_path, offline=True))
    with pytest.raises(PlainError, match="offline forbids it"):
        choir.load(voice.name)


def loaded(*parts: VoiceGroup) -> VoiceCatalogue:
    choir = VoiceCatalogue(parts)
    choir.load(choir.first)
    return choir


def test_a_voice_of_another_engine_is_sent_there(tmp_path: Path) -> None:
    settings = PipelineSettings(voice=VoiceSettings(name="af_heart"))
    with pytest.raises(PlainError, match=r'set voice\.backend = "kokoro"'):
        voices_at_hand(settings, ModelStore(tmp_path))


@pytest.mark.parametrize(
    ("settings", "licence"),
    [
        (VoiceSettings(backend="pocket", name="alba"), "CC-BY"),
        (VoiceSettings(backend="xtts", model="tts_models/multilingual/multi-dataset/xtts_v2"), "CPML"),
        (VoiceSettings(backend="xtts", model="/"), "^$"),
        (VoiceSettings(backend="http", url="http://127.0.0.1:1/v1", name="alba"), "^$"),
    ],
)
def test_terms_are_told_before_anything_is_fetched(settings: VoiceSettings, licence: str, tmp_path: Path) -> None:
    (first, *_) = voices_at_hand(PipelineSettings(voice=settings), ModelStore(tmp_path)).list()
    assert re.search(licence, first.voice.licence)


async def test_an_update_loads_the_voice_and_the_next_answer_speaks_with_it() -> None:
    choir = loaded(part(Singer(scripted.VOICE)), part(Singer("ann", level=0.2)))
    async with talk([], ["Hello."], session=BY_HAND, choir=choir) as conversation:
        await conversation.do(Update(replace(BY_HAND, voice="ann")), Respond())
        await conversation.until(ResponseDone)
        assert choir.is_loaded("ann")
        assert conversation.all(OutputAudio)[0].pcm[100:200] == pytest.approx(0.2, abs=0.01)


async def test_a_session_may_begin_with_a_voice_that_is_not_loaded() -> None:
    choir = loaded(part(Singer(scripted.VOICE)), part(Singer("ann", level=0.2)))
    async with talk([], ["Hello."], session=replace(BY_HAND, voice="ann"), choir=choir) as conversation:
        await conversation.do(Respond())
        await conversation.until(ResponseDone)
        assert conversation.all(OutputAudio)[0].pcm[100:200] == pytest.approx(0.2, abs=0.01)


async def test_a_session_that_begins_with_a_voice_that_cannot_be_loaded_is_told_and_has_the_usual_one() -> None:
    def broken() -> Synthesizer:
        raise OSError("the file is cut off")

    choir = loaded(part(Singer(scripted.VOICE)), replace(part(Singer("ann")), load=broken))
    async with talk([], ["Hello."], session=replace(BY_HAND, voice="ann"), choir=choir) as conversation:
        assert (await conversation.until(Refused)).message == "the file is cut off"
        assert (await conversation.until(Updated)).settings.voice == scripted.VOICE
        await conversation.do(Respond())
        assert (await conversation.until(ResponseDone)).status == "completed"


async def test_a_response_may_ask_for_a_voice_of_its_own() -> None:
    choir = loaded(part(Singer(scripted.VOICE)), part(Singer("ann", level=0.2)))
    async with talk([], ["Hello.", "Hello."], session=BY_HAND, choir=choir) as conversation:
        for voice, level in (("ann", 0.2), (None, 0.1)):
            conversation.forget()
            await conversation.do(Respond(voice=voice))
            await conversation.until(ResponseDone)
            assert conversation.all(OutputAudio)[0].pcm[100:200] == pytest.approx(level, abs=0.01)


async def test_a_voice_that_cannot_be_loaded_leaves_the_old_one() -> None:
    def broken() -> Synthesizer:
        raise OSError("the file is cut off")

    choir = loaded(part(Singer(scripted.VOICE)), replace(part(Singer("ann")), load=broken))
    async with talk([], ["Hello."], session=BY_HAND, choir=choir) as conversation:
        await conversation.do(Update(replace(BY_HAND, voice="ann")), Respond(voice="ann"), Respond())
        assert (await conversation.until(Refused)).message == "the file is cut off"
        assert (await conversation.until(Updated)).settings.voice == scripted.VOICE
        assert (await conversation.until(Refused)).param == "response.audio.output.voice"
        assert (await conversation.until(ResponseDone)).status == "completed"


@pytest.mark.parametrize(
    ("answer", "before"), [("Fail.", ""), ("One two three, four fails here.", "One two three, four ")]
)
async def test_a_voice_that_fails_is_excused_by_another(answer: str, before: str) -> None:
    far, near = Singer(scripted.VOICE, rate=16_000, waits=True), Singer("ann", level=0.2)
    choir = loaded(part(far, "http", "elsewhere"), part(near))
    settings = PipelineSettings(agent=AgentSettings(apology=SORRY))
    async with talk([], [answer, "Yes."], session=BY_HAND, settings=settings, choir=choir) as conversation:
        await conversation.do(Respond())
        done = await conversation.until(ResponseDone)
        assert (done.status, done.error) == ("failed", NOT_SPOKEN)
        (message,) = done.outputs
        assert isinstance(message, Message)
        assert message.text == f"{before}{SORRY}"
        sound = np.concatenate([event.pcm for event in conversation.all(OutputAudio)])
        assert sound[-1200:-200] == pytest.approx(0.2, abs=0.01)
        assert len(sound) == pytest.approx(2400 * len(message.text.split()), abs=10)
        assert [word.end for word in message.words] == sorted(word.end for word in message.words)
        assert message.words[-1].end == pytest.approx(len(sound), abs=10)
        conversation.forget()
        await conversation.do(Respond())
        assert (await conversation.until(ResponseDone)).status == "completed"
        assert conversation.all(OutputAudio)[0].pcm[100:200] == pytest.approx(0.1, abs=0.01)


async def test_where_no_voice_can_excuse_it_the_error_is_reported() -> None:
    choir = loaded(part(Singer(scripted.VOICE), "http", "elsewhere"))
    async with talk([], ["Fail."], session=BY_HAND, choir=choir) as conversation:
        await conversation.do(Respond())
        done = await conversation.until(ResponseDone)
        assert (done.status, done.error, done.outputs) == ("failed", NOT_SPOKEN, ())


async def test_a_voice_that_waits_keeps_no_worker_from_its_work() -> None:
    waiting, computing = Singer(scripted.VOICE, waits=True), Singer("ann")
    choir = loaded(part(waiting), part(computing))
    choir.load("ann")
    waiting.threads.clear()
    computing.threads.clear()
    async with talk([], ["One two three.", "One two three."], session=BY_HAND, choir=choir) as conversation:
        for voice in (scripted.VOICE, "ann"):
            await conversation.do(Respond(voice=voice))
            await conversation.until(ResponseDone)
    assert all(name.startswith("waiter") for name in waiting.threads)
    assert all(name.startswith("worker") for name in computing.threads)
