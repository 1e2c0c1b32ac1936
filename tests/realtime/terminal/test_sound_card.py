"""Choosing devices, and keeping step with them. A sound card is in tests/sound/test_talk.py."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from audio.pcm import Pcm
from realtime.protocol.audio_format import WIRE_RATE
from realtime.terminal.sound_card import Device, NoSoundDevice, PlaybackLimiter, Resampled, find_device, list_devices

DEVICES = [
    Device(0, "Built-in Microphone", 2, 0, False, False),
    Device(1, "Built-in Output", 0, 2, False, True),
    Device(3, "USB Headset", 1, 2, True, False),
    Device(4, "USB Headset Pro", 1, 2, False, False),
]


@pytest.mark.parametrize(
    ("wanted", "index"), [(None, 3), ("0", 0), ("built", 0), ("usb headset", 3), ("PRO", 4), ("3", 3)]
)
def test_microphones_are_found(wanted: str | None, index: int) -> None:
    assert find_device(DEVICES, "microphone", wanted).index == index


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        ("1", "there is no microphone '1'"),  # a speaker
        ("2", "there is no microphone '2'"),
        ("webcam", "there is no microphone 'webcam'"),
        ("headset p", None),
        ("usb", "'usb' is part of the names of 2 microphones"),
    ],
)
def test_what_is_not_found_is_answered_with_what_there_is(wanted: str, complaint: str | None) -> None:
    if complaint is None:
        assert find_device(DEVICES, "microphone", wanted).index == 4
        return
    with pytest.raises(NoSoundDevice, match=complaint) as raised:
        find_device(DEVICES, "microphone", wanted)
    assert "3  USB Headset\n" in str(raised.value)
    assert "Built-in Output" not in str(raised.value)


def test_a_machine_without_devices_is_told_what_to_do() -> None:
    with pytest.raises(NoSoundDevice, match="this machine has no speaker that PortAudio can use: connect one"):
        find_device(DEVICES[:1], "speaker", None)


def test_without_portaudio_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
    with pytest.raises(NoSoundDevice, match="apt install libportaudio2"):
        list_devices()


@pytest.mark.parametrize("rate", [24_000, 44_100, 48_000, 16_000])
def test_a_device_of_another_rate_plays_the_same_sound(rate: int) -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(WIRE_RATE) / WIRE_RATE).astype(np.float32)
    position = 0

    def take(samples: int, at: float) -> Pcm:
        nonlocal position
        position += samples
        return tone[position - samples : position]

    source = Resampled(take, rate)
    block = rate // 50
    blocks, taken = zip(*(source.take(block, 0.0) for _ in range(40)), strict=True)
    assert all(len(played) == block for played in blocks)
    assert np.array_equal(np.concatenate(taken), tone[:position])
    heard = np.concatenate(blocks)[rate // 4 :]
    crossings = np.count_nonzero(np.diff(np.signbit(heard))) / 2
    assert crossings == pytest.approx(440 * len(heard) / rate, abs=1)
    assert np.abs(heard).max() == pytest.approx(1, abs=0.02)


def test_a_device_may_hurry_a_little_but_not_for_long() -> None:
    pace = PlaybackLimiter(WIRE_RATE)
    burst = [pace.allows(480, 0.0) for _ in range(100)]
    assert burst.count(True) == 25  # half a second
    assert not pace.allows(480, 0.01)
    assert pace.allows(480, 0.04)
    # A clock that is a thousandth too fast is never refused.
    pace = PlaybackLimiter(WIRE_RATE)
    assert all(pace.allows(480, block * 0.02 * 0.999) for block in range(100_000))


def test_names_that_are_no_devices_are_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = [("null", 0), ("speexrate", 0), ("USB Headset", 0), ("pulse", 0), ("null", 1)]
    portaudio = SimpleNamespace(  # stands in for the library
        default=SimpleNamespace(device=(0, 2)),
        PortAudioError=OSError,
        query_hostapis=lambda: ({"name": "ALSA"}, {"name": "JACK Audio Connection Kit"}),
        query_devices=lambda: [
            {"index": index, "name": name, "hostapi": api, "max_input_channels": 1, "max_output_channels": 1}
            for index, (name, api) in enumerate(listed)
        ],
    )
    monkeypatch.setitem(sys.modules, "sounddevice", portaudio)
    assert [(device.index, device.name) for device in list_devices()] == [(2, "USB Headset"), (3, "pulse"), (4, "null")]
