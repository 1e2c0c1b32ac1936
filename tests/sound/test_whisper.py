"""Whisper on real recordings, on noises that hold no words, and on talk that never seems to end."""

import json
import threading
import wave
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from audio.pcm import INPUT_RATE, Pcm
from bench.speech.wer import normalised
from pipeline.encoders.encoder import EncoderStream, Heard
from pipeline.encoders.logmel import LogMels
from pipeline.encoders.whisper.guards import Hypothesis
from pipeline.encoders.whisper.model import FULL_FRAMES, Encoding
from pipeline.encoders.whisper.stream import WINDOW_FRAMES
from pipeline.encoders.whisper.whisper import WhisperEncoder
from pipeline.weights.store import ModelStore
from tests.support.speech import RECORDINGS, cough, noise, word_errors

ITEMS = {item["file"]: item for item in json.loads((RECORDINGS / "manifest.json").read_text())["items"]}
NAMES = ("turn_02.wav", "turn_05.wav", "turn_07.wav", "pause_03.wav")
BLOCK = INPUT_RATE // 50


@pytest.fixture(scope="module")
def whisper() -> WhisperEncoder:
    whisper = WhisperEncoder(ModelStore().resolve("whisper-tiny.en"), "int8", threads=1)
    whisper.warm_up()
    return whisper


def recording(name: str) -> Pcm:
    with wave.open(str(RECORDINGS / name)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32)
    return samples / np.float32(32768)


def said(*names: str) -> str:
    return " ".join(ITEMS[name]["text"] for name in names)


def hum(seconds: float, hz: float) -> Pcm:
    phase = 2 * np.pi * hz * np.arange(round(seconds * INPUT_RATE)) / INPUT_RATE
    pcm = noise(seconds, -70)
    for k in range(1, 6):
        pcm += (0.1 * np.sin(k * phase) / k).astype(np.float32)
    return pcm


def push_all(stream: EncoderStream, pcm: Pcm, block: int = BLOCK) -> Heard:
    """Push `pcm` block by block; what is committed must only grow."""
    heard = Heard()
    for start in range(0, len(pcm), block):
        before, heard = heard, stream.push(pcm[start : start + block])
        assert heard.committed.startswith(before.committed)
        assert heard.text == (heard.committed + heard.tentative).strip()
    return heard


def transcribe(whisper: WhisperEncoder, pcm: Pcm, block: int = BLOCK) -> str:
    stream = whisper.open()
    pushed = push_all(stream, pcm, block)
    finished = stream.finish()
    assert finished.committed.startswith(pushed.committed)
    assert finished.tentative == ""
    return finished.text


def test_what_was_said_is_heard(whisper: WhisperEncoder) -> None:
    heard = " ".join(transcribe(whisper, recording(name)) for name in NAMES)
    assert word_errors(said(*NAMES), heard) <= 0.06


@pytest.mark.parametrize("name", NAMES)
def test_it_hears_as_well_softly_and_in_noise(whisper: WhisperEncoder, name: str) -> None:
    pcm = recording(name)
    assert word_errors(said(name), transcribe(whisper, pcm * np.float32(0.1))) <= 0.2
    assert word_errors(said(name), transcribe(whisper, pcm + noise(len(pcm) / INPUT_RATE, -45))) <= 0.2


def test_words_from_the_first_sample_on_are_heard(whisper: WhisperEncoder) -> None:
    name = "turn_02.wav"
    start = round(ITEMS[name]["speech_start_s"] * INPUT_RATE)
    assert word_errors(said(name), transcribe(whisper, recording(name)[start:])) == 0


@pytest.mark.parametrize("block", [37, 160, 4999, 20_000, 10**6])
def test_any_length_of_block_will_do(whisper: WhisperEncoder, block: int) -> None:
    assert word_errors(said("turn_02.wav"), transcribe(whisper, recording("turn_02.wav"), block)) == 0


def test_most_words_are_committed_while_the_person_speaks(whisper: WhisperEncoder) -> None:
    name = "turn_07.wav"
    pcm = recording(name)[: round(ITEMS[name]["speech_end_s"] * INPUT_RATE)]
    committed = push_all(whisper.open(), pcm).committed
    assert len(committed.split()) >= len(said(name).split()) / 2
    assert normalised(said(name)).startswith(normalised(committed))


def test_a_push_between_looks_hears_nothing_new(whisper: WhisperEncoder) -> None:
    stream = whisper.open()
    pcm = recording("turn_02.wav")
    heard = stream.push(pcm[:32_000])
    assert heard.text
    assert stream.push(pcm[32_000 : 32_000 + BLOCK]) == heard


def test_an_utterance_is_taken_up_again_after_a_finish(whisper: WhisperEncoder) -> None:
    name = "pause_03.wav"
    pcm = recording(name)
    resume = round((ITEMS[name]["pauses"][0]["start_s"] + 0.2) * INPUT_RATE)
    stream = whisper.open()
    before = push_all(stream, pcm[:resume])
    assert normalised(stream.finish().text) == "what is the square root of"
    after = push_all(stream, pcm[resume:])
    assert after.committed.startswith(before.committed)
    finished = stream.finish()
    assert finished.committed.startswith(after.committed)
    assert word_errors(said(name), finished.text) <= 0.1
    assert stream.finish() == finished


def test_nothing_was_said_before_the_first_sample(whisper: WhisperEncoder) -> None:
    stream = whisper.open()
    assert stream.push(np.empty(0, np.float32)) == Heard()
    assert stream.finish() == Heard()


@pytest.mark.parametrize(
    "pcm",
    [
        pytest.param(np.zeros(1, np.float32), id="one sample"),
        pytest.param(np.zeros(2 * INPUT_RATE, np.float32), id="digital silence"),
        pytest.param(noise(0.6, -20), id="a short rush"),
        pytest.param(noise(3, -20), id="a loud rush"),
        pytest.param(noise(2, -55), id="a quiet room"),
        pytest.param(hum(2, 50), id="mains hum"),
        pytest.param(hum(1, 440), id="a beep"),
        pytest.param(cough(), id="a cough"),
    ],
)
def test_no_words_are_made_up(whisper: WhisperEncoder, pcm: Pcm) -> None:
    assert transcribe(whisper, pcm) == ""


def test_a_turn_of_more_than_half_a_minute_is_carried_over(whisper: WhisperEncoder) -> None:
    names = NAMES * 3
    pcm = np.concatenate([recording(name) for name in names])
    assert len(pcm) > 45 * INPUT_RATE
    assert word_errors(said(*names), transcribe(whisper, pcm, block=4 * BLOCK)) <= 0.06
    assert word_errors(said(*names), transcribe(whisper, pcm, block=len(pcm))) <= 0.06


@pytest.mark.parametrize("first", ["turn_01.wav", "turn_04.wav", "turn_14.wav"])
def test_a_second_sentence_is_heard_after_a_pause(whisper: WhisperEncoder, first: str) -> None:
    pcm = np.concatenate([recording(first), recording("turn_07.wav")])
    assert word_errors(said(first, "turn_07.wav"), transcribe(whisper, pcm)) <= 0.2


def test_words_before_and_after_a_long_silence_are_heard(whisper: WhisperEncoder) -> None:
    pcm = np.concatenate([recording("turn_02.wav"), noise(25, -55), recording("turn_05.wav")])
    heard = transcribe(whisper, pcm, block=4 * BLOCK)
    assert word_errors(said("turn_02.wav", "turn_05.wav"), heard) <= 0.1


@pytest.mark.parametrize("silent_s", [18.8, 19.0, 19.2, 19.4])
def test_a_sentence_in_which_a_window_ends_is_heard_once(whisper: WhisperEncoder, silent_s: float) -> None:
    silence = np.zeros(round(silent_s * INPUT_RATE), np.float32)
    heard = transcribe(whisper, np.concatenate((silence, recording("turn_08.wav"), silence[:INPUT_RATE])), 10**6)
    assert word_errors(said("turn_08.wav"), heard) <= 0.25, heard


def test_the_window_stays_bounded_whatever_comes(whisper: WhisperEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    encode, frames = whisper.encode, []

    def spy(log_mels: LogMels) -> Encoding:
        frames.append(log_mels.shape[1])
        return encode(log_mels)

    monkeypatch.setattr(whisper, "encode", spy)
    stream = whisper.open()
    for pcm in (noise(22, -20), np.tile(recording("turn_07.wav"), 5), np.zeros(22 * INPUT_RATE, np.float32)):
        push_all(stream, pcm, block=INPUT_RATE)
    assert frames
    assert max(frames) <= WINDOW_FRAMES


LOOP = " who painted the Mona Lisa" * 10


@pytest.mark.parametrize(
    ("padded", "no_speech", "expected"),
    [
        pytest.param(None, 0.1, "who painted the mona lisa", id="heard well when padded"),
        pytest.param(LOOP, 0.1, "who painted the mona lisa", id="a loop when padded too: what it says first"),
        pytest.param(LOOP, 0.7, "", id="a loop of noise"),
    ],
)
def test_a_loop_is_heard_again_padded_to_thirty_seconds(
    whisper: WhisperEncoder, monkeypatch: pytest.MonkeyPatch, padded: str | None, no_speech: float, expected: str
) -> None:
    decode = whisper.decode

    def looping(encoding: Encoding, language: str, limit: int, **rest: Any) -> Hypothesis:  # noqa: ANN401
        hypothesis = decode(encoding, language, limit, **rest)
        text = padded if encoding.shape[1] == FULL_FRAMES // 2 else LOOP
        if text is None:
            return hypothesis
        return replace(
            hypothesis, tokens=tuple(whisper.vocabulary.tokens(text.strip())), text=text, no_speech=no_speech
        )

    monkeypatch.setattr(whisper, "decode", looping)
    stream = whisper.open()
    assert push_all(stream, recording("turn_05.wav")) == Heard()
    assert normalised(stream.finish().text) == expected


@pytest.mark.parametrize("block", [BLOCK, 10 * INPUT_RATE], ids=["as it is spoken", "at once"])
def test_a_question_begins_with_a_capital_and_ends_with_its_mark(whisper: WhisperEncoder, block: int) -> None:
    """tiny.en writes "who painted the Mona Lisa." of its own accord: a statement."""
    stream = whisper.open()
    push_all(stream, recording("turn_05.wav"), block)
    heard = stream.finish().text
    assert heard[0].isupper()
    assert heard.endswith("?")


def test_what_both_ways_of_encoding_repeat_was_really_said(whisper: WhisperEncoder) -> None:
    words = recording("turn_05.wav")
    heard = transcribe(whisper, np.concatenate([words, words]))
    assert word_errors(said("turn_05.wav", "turn_05.wav"), heard) <= 0.2


def test_what_is_said_again_and_again_is_heard_once_at_least(whisper: WhisperEncoder) -> None:
    """However it comes in: all at once, no word of it is certain before the recognizer goes round in circles."""
    words = recording("turn_02.wav")
    thrice = np.concatenate([words, 0.7 * words, 0.7 * words])
    for block in (len(thrice), 3 * INPUT_RATE, INPUT_RATE):
        heard = normalised(transcribe(whisper, thrice, block))
        assert normalised(said("turn_02.wav")) in heard, heard


def test_several_conversations_share_the_model(whisper: WhisperEncoder) -> None:
    heard: dict[str, str] = {}

    def listen(name: str) -> None:
        heard[name] = transcribe(whisper, recording(name))

    threads = [threading.Thread(target=listen, args=(name,)) for name in NAMES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == {name: transcribe(whisper, recording(name)) for name in NAMES}
