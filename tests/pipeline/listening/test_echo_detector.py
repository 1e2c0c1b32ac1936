"""The agent's own voice, in the rooms of real recordings."""

import numpy as np
import pytest
import soxr

from audio.pcm import INPUT_RATE, Pcm, silence
from audio.sound_file import read_wav
from pipeline.listening.echo_detector import AHEAD, REACH, WINDOW, EchoDetector, PlayedReference, likeness
from tests.support.speech import RECORDINGS

FRAME = 512
AGENT = read_wav(RECORDINGS / "turn_02.wav", INPUT_RATE)
PERSON = read_wav(RECORDINGS / "turn_03.wav", INPUT_RATE)


def room(late_s: float, reverberant: bool) -> Pcm:
    """What comes back of a click: it is 20 dB quieter and late."""
    noise = np.random.default_rng(0)
    samples = round(0.15 * INPUT_RATE)
    tail = noise.standard_normal(samples) * np.exp(-np.arange(samples) / (0.03 * INPUT_RATE))
    tail *= 0.5 / np.sqrt(np.sum(tail**2)) if reverberant else 0.0
    tail[0] = 1.0
    return np.concatenate((np.zeros(round(late_s * INPUT_RATE)), 0.1 * tail)).astype(np.float32)


def explained(heard: Pcm, played: Pcm, loud: float = 0.02) -> list[bool]:
    """For each frame in which something as loud as this is heard: whether it is taken for an echo."""
    detector, found = EchoDetector(), []
    for end in range(FRAME, len(played) + 1, FRAME):
        detector.play(played[end - FRAME : end])
        detector.take(heard[end - FRAME : end])
        detector.hear(0)
        if end >= WINDOW + FRAME and np.abs(heard[end - FRAME : end]).max() > loud:
            found.append(detector.explains())
    return found


@pytest.mark.parametrize("block", [160, 320, 4_000, 8_000, AHEAD])
def test_however_it_arrives_and_is_played_it_is_compared_as_one_piece(block: int) -> None:
    """The verdicts are those of the whole windows, filtered anew for each frame."""
    length = min(len(AGENT), len(PERSON))
    echo = np.convolve(AGENT, room(0.1, True))[:length]
    hiss = np.random.default_rng(1).standard_normal(length) * 1e-3
    words = np.where(np.arange(length) < length // 2, 0.0, PERSON[:length])
    heard, played = (echo + hiss + words).astype(np.float32), AGENT[:length]
    detector, found, expected, energies = EchoDetector(), [], [], []
    sizes, given = np.random.default_rng(2), 0
    for start in range(0, length - AHEAD, block):
        detector.take(heard[start : start + block])
        for end in range(-(-start // FRAME) * FRAME, start + block + 1, FRAME):
            if end < max(WINDOW, start + 1):
                continue
            until = min(end + int(sizes.integers(200)), length)
            detector.play(played[given:until])
            given = until
            detector.hear(start + block - end)
            found.append(detector.explains())
            low, low_played = (filtered(whole) for whole in (heard[end - WINDOW : end], before(played, until)))
            energies.append(np.mean(low**2))
            quiet = energies[-1] < 2 * min(energies[-125:])
            expected.append(bool(low_played.any()) and (quiet or likeness(low, low_played) >= 0.6))
    assert found == expected
    assert sum(found) > 5
    assert found.count(False) > 5


def before(played: Pcm, until: int) -> Pcm:
    return np.concatenate((silence(WINDOW + REACH), played[:until]))[-WINDOW - REACH :]


def filtered(pcm: Pcm) -> Pcm:
    at = np.arange(63) - 31
    taps = np.sinc(2 * 3500 / INPUT_RATE * at) * np.hamming(63)
    return np.convolve(pcm, (taps / taps.sum()).astype(np.float32), "valid")


def test_likeness_is_the_highest_normalized_correlation() -> None:
    played, heard = AGENT[8_000:21_538], 0.3 * AGENT[14_000:17_938] + PERSON[14_000:17_938]
    stretches = np.lib.stride_tricks.sliding_window_view(played.astype(np.float64), len(heard))
    expected = np.abs(stretches @ heard) / np.linalg.norm(stretches, axis=1) / np.linalg.norm(heard)
    assert likeness(heard, played) == pytest.approx(expected.max(), abs=1e-5)


@pytest.mark.parametrize("late_s", [0.0, 0.05, 0.2, 0.5])
@pytest.mark.parametrize("reverberant", [False, True])
def test_the_echo_is_known(late_s: float, reverberant: bool) -> None:
    hiss = np.random.default_rng(1).standard_normal(len(AGENT)) * 1e-3
    echo = (np.convolve(AGENT, room(late_s, reverberant))[: len(AGENT)] + hiss).astype(np.float32)
    found = explained(echo, AGENT)
    assert len(found) > 10
    assert np.mean(found) > 0.95


@pytest.mark.parametrize("name", ["turn_02", "turn_06", "turn_08", "turn_12"])
def test_an_echo_is_known_whatever_has_turned_its_phase(name: str) -> None:
    """Played and heard come through resamplers of their own."""
    words = read_wav(RECORDINGS / f"{name}.wav", 24_000)
    speaking = np.flatnonzero(np.abs(words) > 0.01)
    words = words[: speaking[-1] + 24_000 // 4]
    sound = PlayedReference(24_000)
    sound.send(words)
    played = sound.take(len(words))
    echo = np.convolve(soxr.resample(words, 24_000, INPUT_RATE), room(0.18, True))[: len(played)]
    noise = np.random.default_rng(1).standard_normal(len(echo)) * 10 ** (-55 / 20)
    found = explained((echo + noise).astype(np.float32), played[: len(echo)], loud=0.0)
    assert np.mean(found) > 0.98


def test_an_echo_that_fades_into_the_noise_of_the_room_is_nobody() -> None:
    noise = np.random.default_rng(1).standard_normal(len(AGENT)) * 10 ** (-50 / 20)
    echo = (np.convolve(AGENT, room(0.1, False))[: len(AGENT)] + noise).astype(np.float32)
    speaking = np.flatnonzero(np.abs(AGENT) > 0.01)
    spoken = slice(0, speaking[-1] + INPUT_RATE // 4)
    found = explained(echo[spoken], AGENT[spoken], loud=0.0)
    assert np.mean(found) > 0.95


@pytest.mark.parametrize("reverberant", [False, True])
def test_a_person_over_the_echo_is_a_person(reverberant: bool) -> None:
    length = min(len(AGENT), len(PERSON))
    echo = np.convolve(AGENT, room(0.1, reverberant))[:length]
    found = explained((PERSON[:length] + echo).astype(np.float32), AGENT[:length])
    assert np.mean(found) < 0.15


def test_in_silence_nothing_is_an_echo() -> None:
    assert not any(explained(PERSON, np.zeros_like(PERSON)))


def test_sound_is_taken_as_it_is_played() -> None:
    sound = PlayedReference(24_000)
    wave = np.sin(np.arange(24_000) * 0.05).astype(np.float32)
    sound.send(wave)
    assert len(sound.take(0)) == 0
    assert len(sound.take(12_000)) == 8_000
    assert len(sound.take(12_000)) == 0
    assert len(sound.take(18_000)) == 4_000


def test_sound_that_is_played_again_is_taken_again() -> None:
    sound = PlayedReference(24_000)
    sound.send(np.sin(np.arange(72_000) * 0.05).astype(np.float32))
    heard = np.concatenate([sound.take(played) for played in (9_000, 21_000, 30_000)])
    sound.rewind(12_000)
    assert np.array_equal(sound.take(27_000), heard[8_000:18_000])
    sound.rewind(27_000)
    assert len(sound.take(27_000)) == 0
