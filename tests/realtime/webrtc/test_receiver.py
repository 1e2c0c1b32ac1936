from collections.abc import Iterator
from itertools import count

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.pcm import Pcm
from pipeline.commands import Audio, Silence
from realtime.webrtc.opus import OpusEncoder
from realtime.webrtc.receiver import AudioReceiver, conceal
from realtime.webrtc.reorder_buffer import WAIT_S, Packet, ReorderBuffer

BLOCK_S = 0.02


def packet(number: int, source: int = 1, payload: bytes = b"") -> Packet:
    return Packet(source, number % 2**16, number * 960 % 2**32, payload)


def numbers(packets: list[Packet]) -> list[int]:
    return [passed.sequence_number for passed in packets]


def test_packets_in_order_pass_at_once() -> None:
    buffer = ReorderBuffer()
    assert [numbers(buffer.push(packet(n), n * BLOCK_S)) for n in (7, 8, 9)] == [[7], [8], [9]]
    assert not buffer.waiting


def test_one_that_was_overtaken_is_waited_for() -> None:
    buffer = ReorderBuffer()
    buffer.push(packet(1), 0)
    assert buffer.push(packet(3), 0.01) == []
    assert buffer.waiting
    assert numbers(buffer.push(packet(2), 0.03)) == [2, 3]


def test_one_that_does_not_come_is_given_up_and_comes_too_late() -> None:
    buffer = ReorderBuffer()
    buffer.push(packet(1), 0)
    buffer.push(packet(3), 0.01)
    assert buffer.due(0.01 + WAIT_S - 0.001) == []
    assert numbers(buffer.due(0.01 + WAIT_S + 0.001)) == [3]
    assert buffer.push(packet(2), 0.1) == []
    assert not buffer.waiting


def test_numbers_wrap() -> None:
    buffer = ReorderBuffer()
    assert numbers(buffer.push(packet(65535), 0)) == [65535]
    assert buffer.push(packet(65537), 0) == []
    assert numbers(buffer.push(packet(65536), 0)) == [0, 1]


def test_another_sender_or_a_jump_begins_anew() -> None:
    buffer = ReorderBuffer()
    buffer.push(packet(1), 0)
    buffer.push(packet(3), 0)
    assert [(p.ssrc, p.sequence_number) for p in buffer.push(packet(500, source=2), 0)] == [(1, 3), (2, 500)]
    assert numbers(buffer.push(packet(9000, source=2), 0)) == [9000]


@given(st.permutations(range(8)), st.sets(st.integers(0, 7), max_size=3))
def test_what_comes_passes_once_and_in_order(order: list[int], lost: set[int]) -> None:
    buffer = ReorderBuffer()
    passed = numbers(buffer.push(packet(100), 0))
    for number in order:
        if number not in lost:
            passed += numbers(buffer.push(packet(101 + number), 0))
    passed += numbers(buffer.due(1))
    assert passed == [100, *(101 + number for number in range(8) if number not in lost)]


def speech() -> Iterator[Packet]:
    """A tone, packet by packet, 20 ms apart."""
    encoder = OpusEncoder(16_000)
    for number in count():
        at = np.arange(number * 320, (number + 1) * 320, dtype=np.float32)
        yield packet(number, payload=encoder.encode(0.3 * np.sin(2 * np.pi * 200 / 16_000 * at)))


def heard(commands: list[Audio | Silence]) -> Pcm:
    return np.concatenate(
        [np.zeros(0, np.float32)]
        + [command.pcm if isinstance(command, Audio) else np.zeros(command.samples, np.float32) for command in commands]
    )


def level(pcm: Pcm) -> float:
    return float(np.sqrt(np.mean(np.square(pcm))))


def test_the_sound_is_all_there_and_at_once() -> None:
    receiver, sent = AudioReceiver(0), speech()
    commands = [c for n in range(50) for c in receiver.push(next(sent), n * BLOCK_S)]
    pcm = heard(commands)
    assert len(pcm) == 50 * 320
    assert level(pcm[1600:]) == pytest.approx(0.3 / np.sqrt(2), rel=0.1)


@pytest.mark.parametrize("missing", [1, 2, 5, 14])
def test_lost_packets_are_concealed_and_the_clock_advances(missing: int) -> None:
    receiver, sent = AudioReceiver(0), speech()
    commands = []
    for number, one in zip(range(50), sent, strict=False):
        if not 20 <= number < 20 + missing:
            commands += receiver.push(one, number * BLOCK_S)
        commands += receiver.due(number * BLOCK_S + 0.019)
    pcm = heard(commands)
    assert len(pcm) == 50 * 320
    hole = pcm[20 * 320 : (20 + missing) * 320]
    assert level(hole[:320]) > 0.1  # the voice goes on for a moment
    if missing > 4:
        assert not hole[1600:-32].any()


def test_silence_fills_a_gap_by_the_clock_and_stops_when_packets_resume() -> None:
    receiver, sent = AudioReceiver(0), speech()
    commands = []
    for number, one in zip(range(200), sent, strict=False):
        if not 50 <= number < 150:  # its sender rests for two seconds: the numbers go on, the time stamps jump
            rested = packet(number if number < 50 else number - 100, payload=one.payload)
            commands += receiver.push(Packet(1, rested.sequence_number, one.timestamp, one.payload), number * BLOCK_S)
        commands += receiver.due(number * BLOCK_S + 0.01)
    assert sum(command.samples for command in commands if isinstance(command, Silence)) >= 1.9 * 16_000
    assert abs(len(heard(commands)) - 200 * 320) < 400


def test_late_sound_is_heard_and_the_next_silence_is_shorter() -> None:
    receiver, sent = AudioReceiver(0), speech()
    commands = [c for n in range(50) for c in receiver.push(next(sent), n * BLOCK_S)]
    late = [next(sent) for _ in range(50)]
    for at_s in np.arange(1.0, 2.0, 0.1):
        commands += receiver.due(float(at_s))
    assert len(heard(commands)) == pytest.approx(1.9 * 16_000, abs=400)
    for one in late:
        commands += receiver.push(one, 2.0)
    assert len(heard(commands)) == pytest.approx(2.9 * 16_000, abs=400)
    assert receiver.due(2.8) == []
    assert [type(command) for command in receiver.due(3.2)] == [Silence]


def test_a_sender_whose_clock_jumps_is_not_believed() -> None:
    receiver, sent = AudioReceiver(0), speech()
    receiver.push(next(sent), 0)
    one = next(sent)
    assert len(heard(receiver.push(Packet(1, 1, 2**31, one.payload), 0.02))) == 320


def test_an_undecodable_packet_leaves_a_gap() -> None:
    receiver, sent = AudioReceiver(0), speech()
    receiver.push(next(sent), 0)
    next(sent)
    assert receiver.push(packet(1, payload=b"\xff\xff\xff"), 0.02) == []
    assert receiver.push(packet(2, payload=b""), 0.04) == []
    next(sent)
    assert len(heard(receiver.push(next(sent), 0.06))) == 3 * 320


def test_concealment_keeps_the_voice_s_pitch_and_fades() -> None:
    at = np.arange(2000, dtype=np.float32)
    wave = np.sin(2 * np.pi * at / 100)
    hidden = conceal(wave[:1000], 1000)
    assert np.abs(hidden[:50] - wave[1000:1050]).max() < 0.1
    assert not hidden[960:].any()
    assert len(conceal(wave[:1000], 0)) == 0
