"""The agent's voice in the microphone: taken out by the canceller, or not listened to, while people get through."""

import sys
from collections.abc import Callable

import numpy as np
import pytest

from audio.pcm import Pcm, silence
from audio.resampler import Resampler
from pipeline.listening.vad import SileroVad
from pipeline.weights.store import ModelStore
from realtime.protocol.audio_format import WIRE_RATE
from realtime.terminal.echo_guard import Canceller, EchoGuard, HalfDuplex, NoCanceller, Unguarded, guard_against_echo
from tests.support.speech import recordings

BLOCK = WIRE_RATE // 50
SPEECH = 0.5
"""What the detector calls speech."""


@pytest.fixture(scope="module")
def spoken() -> Callable[[Pcm], float]:
    """The seconds of audio at 24 kHz that the agent's detector takes for speech."""
    model = SileroVad(ModelStore().resolve("silero-vad"))

    def spoken(pcm: Pcm) -> float:
        probabilities = model.open().push(Resampler(WIRE_RATE, 16_000).push(pcm, last=True))
        return sum(probability >= SPEECH for probability in probabilities) * 0.032

    return spoken


@pytest.fixture(scope="module")
def voice() -> Pcm:
    """What the agent says: 13 s of speech."""
    names = ("turn_02", "turn_06", "turn_03", "turn_05", "turn_08")
    return np.concatenate([recordings()[name].pcm(WIRE_RATE) for name in names])


def echo(voice: Pcm, delay_ms: int, db: int) -> Pcm:
    """What a microphone in a small room picks up of it, without the room's own noise."""
    random = np.random.default_rng(1)
    time = np.arange(round(0.12 * WIRE_RATE))
    room = random.standard_normal(len(time)) * np.exp(-time / (0.02 * WIRE_RATE)) * 0.2
    room[0] += 1
    room /= np.linalg.norm(room)
    late = np.concatenate((silence(delay_ms * WIRE_RATE // 1000), np.convolve(voice, room)))[: len(voice)]
    noise = random.standard_normal(len(voice)) * 10 ** (-65 / 20)
    return (late * 10 ** (db / 20) + noise).astype(np.float32)


def guarded(guard: EchoGuard, played: Pcm, recorded: Pcm) -> Pcm:
    """What is left of `recorded` while `played` is played."""
    left = []
    for start in range(0, len(recorded), BLOCK):
        guard.played(played[start : start + BLOCK])
        left.append(guard.recorded(recorded[start : start + BLOCK]))
    return np.concatenate(left)


def energy_db(pcm: Pcm) -> float:
    return float(10 * np.log10(np.mean(pcm**2) + 1e-12))


@pytest.mark.parametrize(("delay_ms", "db"), [(80, -10), (80, -20), (150, -10), (200, -20), (200, 0)])
def test_the_canceller_leaves_nothing_that_sounds_like_speech(
    spoken: Callable[[Pcm], float], voice: Pcm, delay_ms: int, db: int
) -> None:
    heard = echo(voice, delay_ms, db)
    assert spoken(heard) > 5
    left = guarded(Canceller(), voice, heard)
    assert spoken(left) == 0
    # The noise of the room is the floor: at -20 dB no more than some 25 dB can be taken out.
    assert energy_db(heard) - energy_db(left) > (30 if db >= -10 else 20)


@pytest.mark.parametrize("db", [-10, -20])
def test_people_get_through_the_canceller_while_the_agent_speaks(
    spoken: Callable[[Pcm], float], voice: Pcm, db: int
) -> None:
    interruption = recordings()["turn_07"].pcm(WIRE_RATE) * np.float32(0.5)
    since = 4 * WIRE_RATE
    near = silence(len(voice))
    near[since : since + len(interruption)] = interruption
    left = guarded(Canceller(), voice, echo(voice, 120, db) + near)
    heard = left[since : since + len(interruption)]
    assert spoken(heard) > 0.8 * spoken(interruption)
    assert energy_db(heard) > energy_db(interruption) - 4


def test_half_duplex_listens_again_when_the_room_is_silent() -> None:
    room = silence(20 * WIRE_RATE) + 1
    played = np.concatenate((silence(WIRE_RATE), room[:WIRE_RATE], silence(WIRE_RATE)))
    left = guarded(HalfDuplex(), played, room[: len(played)])
    assert len(left) == len(played)
    assert left[:WIRE_RATE].all()
    assert not left[WIRE_RATE : 2 * WIRE_RATE + WIRE_RATE // 3].any()
    assert left[2 * WIRE_RATE + WIRE_RATE // 2 :].all()


def test_with_headphones_nothing_is_changed() -> None:
    pcm = silence(960) + np.float32(0.5)
    assert np.array_equal(guarded(Unguarded(), pcm, pcm), pcm)


def test_without_the_canceller_the_microphone_is_off_while_it_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(guard_against_echo("auto"), Canceller)
    monkeypatch.setitem(sys.modules, "livekit.rtc", None)
    fallback = guard_against_echo("auto")
    assert isinstance(fallback, HalfDuplex)
    assert "the microphone is off while it talks" in fallback.advice
    with pytest.raises(NoCanceller, match="--echo half-duplex"):
        guard_against_echo("cancel")
    assert isinstance(guard_against_echo("off"), Unguarded)
