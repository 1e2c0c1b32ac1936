"""Voices made of noise, at the level of the caller or below it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.pcm import INPUT_RATE, Pcm
from pipeline.listening.caller.caller_voice import CallerVoice
from pipeline.listening.vad import FRAME_SAMPLES

SOFTER_DB = 9.0


def voice(seconds: float, db: float) -> Pcm:
    """Noise at this level."""
    noise = np.random.default_rng(round(seconds * 100)).standard_normal(round(seconds * INPUT_RATE))
    return np.asarray(noise * 10 ** (db / 20), np.float32)


def hear(caller: CallerVoice, pcm: Pcm, speaks: bool = True) -> list[bool]:
    frames = [pcm[start : start + FRAME_SAMPLES] for start in range(0, len(pcm) - FRAME_SAMPLES + 1, FRAME_SAMPLES)]
    return [caller.fits(frame, speaks) for frame in frames]


def known() -> CallerVoice:
    """A caller who has spoken at -20 dB."""
    caller = CallerVoice(SOFTER_DB)
    assert all(hear(caller, voice(2, -20)))
    be_silent(caller, 1)
    return caller


def be_silent(caller: CallerVoice, seconds: float) -> None:
    assert all(hear(caller, np.zeros(round(seconds * INPUT_RATE), np.float32), speaks=False))


@pytest.mark.parametrize("below_db", [12, 20, 30])
def test_another_voice_that_is_much_softer_is_not_the_callers(below_db: float) -> None:
    assert not any(hear(known(), voice(6, -20 - below_db)))


@pytest.mark.parametrize("below_db", [-10, 0, 6])
def test_what_is_hardly_softer_fits_at_once(below_db: float) -> None:
    assert all(hear(known(), voice(1, -20 - below_db)))


def test_speech_that_becomes_louder_is_known_from_its_beginning() -> None:
    caller = known()
    rising = np.concatenate((voice(0.2, -45), voice(0.5, -20)))
    since: list[int | None] = []
    for start in range(0, len(rising) - FRAME_SAMPLES, FRAME_SAMPLES):
        caller.fits(rising[start : start + FRAME_SAMPLES], True)
        since.append(caller.waited_since)
    (found,) = [at for at in since if at is not None]
    assert found == pytest.approx(3 * INPUT_RATE, abs=3 * FRAME_SAMPLES)


def test_a_caller_who_moves_away_step_by_step_is_followed() -> None:
    caller = known()
    for db in range(-22, -50, -2):
        assert all(hear(caller, voice(2, db))), db
        be_silent(caller, 1)


def test_a_television_behind_the_caller_does_not_speak_on_for_them() -> None:
    caller = known()
    assert all(hear(caller, voice(1, -20)))
    after = hear(caller, voice(3, -40))
    assert not any(after[30:])


def test_nobody_is_shut_out_for_longer_than_half_a_minute() -> None:
    caller = known()
    be_silent(caller, 31)
    assert all(hear(caller, voice(1, -50)))


@given(st.floats(-60, 0))
def test_zero_lets_everything_pass(db: float) -> None:
    caller = CallerVoice(0)
    hear(caller, voice(1, -10))
    assert all(hear(caller, voice(1, db)))


def soft(caller: CallerVoice, seconds: float) -> list[bool]:
    return hear(caller, voice(seconds, -35))


def test_a_softer_voice_is_compared_with_the_caller_as_soft() -> None:
    caller = known()
    assert not any(soft(caller, 0.9))
    assert caller.comparison() is None, "so little says nothing"
    soft(caller, 0.2)
    comparison = caller.comparison()
    assert comparison is not None
    assert np.std(comparison.caller) == pytest.approx(np.std(comparison.softer), rel=0.05)
    assert caller.comparison() is None, "the same is not compared twice"


def test_a_caller_who_was_known_by_their_voice_is_heard_from_the_beginning_on_and_followed() -> None:
    caller = known()
    soft(caller, 1.1)
    assert caller.comparison() is not None
    caller.know()
    assert soft(caller, 0.032) == [True]
    assert caller.waited_since == pytest.approx(3 * INPUT_RATE, abs=2 * FRAME_SAMPLES)
    assert all(soft(caller, 2))
    be_silent(caller, 1)
    soft(caller, 1.1)
    caller.know()
    be_silent(caller, 1)
    assert all(soft(caller, 1)), "by now it is known how softly they speak"


def test_a_softer_voice_behind_a_caller_who_moved_away_is_not_theirs() -> None:
    caller = known()
    soft(caller, 1.1)
    caller.know()
    soft(caller, 1)
    assert not all(hear(caller, voice(2, -50)))


def test_a_caller_who_has_hardly_spoken_is_not_compared() -> None:
    caller = CallerVoice(SOFTER_DB)
    hear(caller, voice(1, -20))
    be_silent(caller, 1)
    assert not any(soft(caller, 4))
    assert caller.comparison() is None


def test_after_three_comparisons_the_voice_is_another() -> None:
    caller = known()
    compared = 0
    for _ in range(40):
        soft(caller, 0.2)
        compared += caller.comparison() is not None
    assert compared == 3


def test_a_voice_that_goes_on_when_the_caller_falls_silent_is_compared() -> None:
    caller = known()
    hear(caller, voice(1, -20))
    compared = []
    for _ in range(60):
        soft(caller, 0.032)
        compared.append(caller.comparison())
    assert any(compared)
