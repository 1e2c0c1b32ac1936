"""How things are said: on tones of known pitch, pulses of known pace, and people's turns."""

import numpy as np
import pytest

from audio.pcm import Pcm, silence
from pipeline.listening.prosody import Note, Prosody
from tests.support.speech import recordings, voice


def noise(pcm: Pcm, level: float) -> Pcm:
    generator = np.random.default_rng(3)
    return np.asarray(pcm + generator.normal(0, level, len(pcm)), dtype=np.float32)


def said(*parts: Pcm, prosody: Prosody | None = None, block: int = 4000) -> Note:
    """The note of one turn with a moment of silence before and after it, as turns have."""
    manner = (prosody or Prosody()).open()
    pcm = np.concatenate((silence(4_800), *parts, silence(3_200)))
    for start in range(0, len(pcm), block):
        manner.push(pcm[start : start + block])
    note = manner.note()
    assert note is not None
    manner.remember()
    return note


def acquainted(hz: float = 120, level: float = 0.2, syllables_per_s: float = 4) -> Prosody:
    """With somebody who has spoken twice."""
    prosody = Prosody()
    for _ in range(2):
        said(voice((hz, hz), level=level, syllables_per_s=syllables_per_s), prosody=prosody)
    return prosody


@pytest.mark.parametrize("hz", [70, 95, 120, 180, 240, 330, 420])
@pytest.mark.parametrize("noise_level", [0, 0.005])
def test_the_pitch_is_the_voices(hz: float, noise_level: float) -> None:
    note = said(noise(voice((hz, hz)), noise_level), prosody=acquainted(hz=100))
    assert note.pitch == pytest.approx(12 * np.log2(hz / 100), abs=0.1)


@pytest.mark.parametrize("rate", [2.5, 4, 5.5, 7])
@pytest.mark.parametrize("noise_level", [0, 0.002])
def test_the_pace_is_the_voices(rate: float, noise_level: float) -> None:
    note = said(noise(voice(seconds=4, syllables_per_s=rate), noise_level))
    assert note.syllables_per_s == pytest.approx(rate, rel=0.1)


@pytest.mark.parametrize("semitones", [-8, -4, 0, 4, 8])
def test_the_end_rises_as_the_voice_does(semitones: float) -> None:
    end = 140 * 2 ** (semitones / 12)
    note = said(voice((140, 140), 1), voice((140, end), 0.36, 0), silence(4000))
    assert note.rise == pytest.approx(semitones, abs=1)
    assert ("rising" in note.text) is (semitones >= 4)


@pytest.mark.parametrize("decibels", [-12, -3, 3, 12])
def test_the_loudness_is_the_voices(decibels: float) -> None:
    note = said(voice(level=0.1 * 10 ** (decibels / 20)), prosody=acquainted(level=0.1))
    assert note.loudness == pytest.approx(decibels, abs=0.3)


def test_pauses_are_told_and_not_counted_as_slowness() -> None:
    note = said(voice(), silence(16_000), voice(), silence(8_000), voice(), silence(16_000))
    assert note.pauses == pytest.approx((1.0, 0.5), abs=0.1)
    assert note.syllables_per_s == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize(
    ("turn", "text"),
    [
        ([voice()], ""),
        ([voice(syllables_per_s=6)], "(said quickly)"),
        ([voice(syllables_per_s=2.5)], "(said slowly)"),
        ([voice(level=0.6, syllables_per_s=6)], "(said quickly and loudly)"),
        ([voice(level=0.05)], "(said softly)"),
        ([voice((160, 160))], "(said in a higher voice than before)"),
        ([voice((90, 90))], "(said in a lower voice than before)"),
        ([voice(), silence(20_000), voice()], "(said with a long pause)"),
        ([voice(), *[silence(8_000), voice()] * 3], "(said with several pauses)"),
        ([voice(), voice((120, 170), 0.36, 0)], "(voice rising at the end)"),
        (
            [voice(syllables_per_s=6), voice((120, 170), 0.36, 0)],
            "(said quickly, voice rising at the end)",
        ),
    ],
)
def test_what_stands_out_is_said_in_words(turn: list[Pcm], text: str) -> None:
    assert said(*turn, prosody=acquainted()).text == text


def test_nobody_is_compared_with_before_they_are_known() -> None:
    prosody = Prosody()
    for level in (0.02, 0.5):
        note = said(voice(level=level), prosody=prosody)
        assert (note.pitch, note.loudness, note.rate) == (None, None, None)
        assert note.text == ""
    assert said(voice(level=0.5), prosody=prosody).loudness is not None


@pytest.mark.parametrize("pcm", [silence(0), silence(32_000), noise(silence(32_000), 0.05), voice(seconds=0.3)])
def test_without_voice_there_is_nothing_to_say(pcm: Pcm) -> None:
    manner = Prosody().open()
    manner.push(pcm)
    assert manner.note() is None


def test_a_turn_that_was_none_is_not_remembered() -> None:
    prosody = acquainted()
    manner = prosody.open()
    manner.push(voice(level=0.9))
    assert manner.note() is not None
    assert said(voice(), prosody=prosody).loudness == pytest.approx(0, abs=0.1)


def test_it_is_the_same_however_the_samples_come() -> None:
    turn = noise(np.concatenate((voice((120, 160)), silence(9_000), voice((150, 110)))), 0.003)
    assert said(turn, block=160) == said(turn, block=777) == said(turn, block=100_000)


def test_it_may_be_asked_at_any_pause() -> None:
    manner = acquainted().open()
    manner.push(voice(syllables_per_s=6))
    manner.push(silence(3_000))
    first = manner.note()
    assert first is not None
    manner.push(silence(6_000))
    assert manner.note() == first, "silence after a turn does not change its note"
    manner.push(voice(syllables_per_s=6))
    again = manner.note()
    assert again is not None
    assert again.pauses == pytest.approx((0.5,), abs=0.1)


SYLLABLES = {
    **{"turn_01": 8, "turn_02": 13, "turn_03": 6, "turn_04": 5, "turn_05": 8, "turn_06": 12, "turn_07": 15},
    **{"turn_08": 9, "turn_12": 9, "turn_14": 7, "pause_03": 13},
}
"""Of each recording's words."""


def test_people_speak_as_quickly_as_their_words_take() -> None:
    errors = []
    for name, syllables in SYLLABLES.items():
        recording = recordings()[name]
        note = said(recording.pcm())
        assert note.syllables_per_s is not None
        spoken_s = recording.speech_end_s - SPEECH_BEGINS_S - sum(note.pauses)
        errors.append(note.syllables_per_s * spoken_s / syllables - 1)
    assert np.mean(np.abs(errors)) < 0.2


SPEECH_BEGINS_S = 0.42
"""In every recording."""


def quicker(pcm: Pcm, speed: float) -> Pcm:
    """The same voice at another pace, by overlapping pieces where they fit best (WSOLA)."""
    length, hop = 480, 240
    pieces: list[Pcm] = [pcm[:length]]
    for start in range(round(hop * speed), len(pcm) - 2 * length, round(hop * speed)):
        follows = pieces[-1][hop:]
        places = range(max(start - 160, 0), start + 160, 4)
        best = max(places, key=lambda place: float(np.dot(pcm[place : place + hop], follows)))
        pieces.append(pcm[best : best + length])
    out = silence(hop * (len(pieces) + 1))
    for number, piece in enumerate(pieces):
        out[number * hop : number * hop + length] += piece * np.hanning(length + 1)[:length].astype(np.float32)
    return out


@pytest.mark.parametrize(("speed", "word", "contrary"), [(1.4, "quickly", "slowly"), (0.7, "slowly", "quickly")])
def test_the_same_words_at_another_pace_are_told_from_before(speed: float, word: str, contrary: str) -> None:
    rates, texts = [], []
    for name in SYLLABLES:
        pcm = recordings()[name].pcm()
        prosody = Prosody()
        for _ in range(2):
            said(pcm, prosody=prosody)
        same = said(pcm, prosody=prosody)
        assert (same.pitch, same.loudness, same.rate) == (0, 0, 1)
        note = said(quicker(pcm, speed), prosody=prosody)
        assert note.pitch is not None
        assert abs(note.pitch) < 3
        rates.append(note.rate)
        texts.append(note.text)
    assert np.mean(np.array(rates, dtype=float)) == pytest.approx(speed, rel=0.1)
    assert len([text for text in texts if word in text]) > len(texts) / 2
    assert not [text for text in texts if contrary in text]
