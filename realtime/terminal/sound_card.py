"""This machine's sound card: its devices, and a microphone and a speaker that are kept open."""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from audio.errors import PlainError
from audio.pcm import Pcm, silence
from audio.resampler import Resampler
from realtime.protocol.audio_format import WIRE_RATE
from realtime.terminal.speaker import SpeakerOutput

if TYPE_CHECKING:
    import sounddevice

Kind = Literal["microphone", "speaker"]

_BLOCKS_A_SECOND = 50
_LATENCY_S: dict[Kind, float] = {"microphone": 0.04, "speaker": 0.08}
"""Latency that Python sustains while models use all cores. An underrun would mislead the echo canceller."""
_RUSH_S = 0.5
"""Audio that a speaker may request ahead of real time."""
_NO_DEVICES = frozenset(
    ("null", "lavrate", "samplerate", "speexrate", "speex", "upmix", "vdownmix", "oss", "jack", "usbstream")
)
"""Names under which ALSA's own configuration lists converters, bridges and nothing at all among the devices."""
_LOOK_S = 0.25
_STALLED_S = 4.0
"""A device that requests nothing for this long is gone, whatever it reports. Some take seconds to begin."""
_RETRY_S = 1.0


class NoSoundDevice(PlainError):
    """There is no such microphone or speaker. The message states what is missing and what to do."""


@dataclass(frozen=True, slots=True)
class Device:
    """A sound device, as PortAudio reports it."""

    index: int
    name: str
    inputs: int
    outputs: int
    is_default_microphone: bool
    is_default_speaker: bool

    def serves(self, kind: Kind) -> bool:
        return (self.inputs if kind == "microphone" else self.outputs) > 0

    def is_default(self, kind: Kind) -> bool:
        return self.is_default_microphone if kind == "microphone" else self.is_default_speaker


def list_devices() -> list[Device]:
    """The devices present now. Raises `NoSoundDevice` if PortAudio is missing or cannot list them."""
    sound = _portaudio()
    microphone, speaker = sound.default.device
    try:
        found_devices = sound.query_devices()
    except sound.PortAudioError as error:
        raise NoSoundDevice(f"PortAudio can't list the devices: {_reason(error)}") from error
    apis = [api["name"] for api in sound.query_hostapis()]
    return [
        Device(
            found["index"],
            found["name"],
            found["max_input_channels"],
            found["max_output_channels"],
            found["index"] == microphone,
            found["index"] == speaker,
        )
        for found in found_devices
        if apis[found["hostapi"]] != "ALSA" or found["name"] not in _NO_DEVICES
    ]


def find_device(devices: Sequence[Device], kind: Kind, wanted: str | None) -> Device:
    """The device with this index, name or part of a name; None: the default. Raises `NoSoundDevice`."""
    able = [device for device in devices if device.serves(kind)]
    if not able:
        raise NoSoundDevice(
            f"this machine has no {kind} that PortAudio can use: connect one, or start a sound server "
            "(PulseAudio or PipeWire), or do without: antiphon ask QUESTION.wav, antiphon say TEXT --out FILE.wav"
        )
    if wanted is None:
        return next((device for device in able if device.is_default(kind)), able[0])
    if wanted.isdecimal():
        found = [device for device in able if device.index == int(wanted)]
    else:
        name = wanted.casefold()
        found = [device for device in able if name == device.name.casefold()] or [
            device for device in able if name in device.name.casefold()
        ]
    if len(found) == 1:
        return found[0]
    listed = "\n".join(f"    {device.index:3}  {device.name}" for device in found or able)
    if found:
        raise NoSoundDevice(f"{wanted!r} is part of the names of {len(found)} {kind}s; say which:\n{listed}")
    raise NoSoundDevice(f"there is no {kind} {wanted!r}; choose by number or by a part of the name:\n{listed}")


class Tap(Protocol):
    """Gets all audio, on the event loop and in the order in which it was played and recorded, at 24 kHz."""

    def played(self, pcm: Pcm) -> None: ...
    def recorded(self, pcm: Pcm) -> None: ...


class SoundCard:
    """A microphone and a speaker, open at the same time. Plays `source`, and passes all audio to `tap`."""

    def __init__(self, microphone: str | None, speaker: str | None, source: SpeakerOutput, tap: Tap) -> None:
        """`microphone` and `speaker`: as `find_device` takes them."""
        self._wanted: dict[Kind, str | None] = {"microphone": microphone, "speaker": speaker}
        self._source = source
        self._tap = tap
        self._streams: list[sounddevice.InputStream | sounddevice.OutputStream] = []
        self._alive: dict[Kind, float] = {}
        """When each device last requested or delivered audio."""
        self.names: dict[Kind, str] = {}
        """Names of the devices in use."""

    @property
    def input_latency_s(self) -> float:
        """Age of a sample when it is passed to the tap."""
        return float(self._streams[0].latency)

    def open(self) -> None:
        """Open both devices. Raises `NoSoundDevice`."""
        self._open(reopening=False)

    def close(self) -> None:
        for stream in self._streams:
            with suppress(_portaudio().PortAudioError):  # its device is gone
                stream.abort()
                stream.close()
        self._streams.clear()

    async def keep_open(self, report: Callable[[str], None]) -> None:
        """Reopen what fails, with another device if need be, until cancelled. `report` gets messages for the user."""
        while True:
            await asyncio.sleep(_LOOK_S)
            if self._gone():
                await asyncio.sleep(_LOOK_S)  # two devices that vanish together are not noticed at the same moment
            if not (gone := self._gone()):
                continue
            report(f"Lost the {gone}: connect it again, or another one. Retrying every second.")
            self.close()
            while True:
                await asyncio.sleep(_RETRY_S)
                if self._reopen():
                    break
            report("Continuing with " + " and ".join(f"the {kind} {name!r}" for kind, name in self.names.items()) + ".")

    def _gone(self) -> str:
        kinds: tuple[Kind, Kind] = ("microphone", "speaker")
        now = time.monotonic()
        return " and the ".join(
            kind
            for kind, stream in zip(kinds, self._streams, strict=True)
            if not stream.active or now - self._alive[kind] > _STALLED_S
        )

    def _reopen(self) -> bool:
        sound = _portaudio()
        try:
            # PortAudio looks for devices only when it is initialized.
            with suppress(sound.PortAudioError):  # it has ended already if it could not begin the last time
                sound._terminate()
            sound._initialize()
            self._open(reopening=True)
        except (NoSoundDevice, sound.PortAudioError):
            return False
        return True

    def _open(self, reopening: bool) -> None:
        self._alive = dict.fromkeys(self._wanted, time.monotonic())
        devices = list_devices()
        try:
            for kind, wanted in self._wanted.items():
                try:
                    device = self._begin(kind, find_device(devices, kind, wanted))
                except NoSoundDevice:
                    if not reopening:
                        raise
                    device = self._begin(kind, find_device(devices, kind, None))
                if wanted is not None and not reopening:
                    self._wanted[kind] = device.name  # numbers change when devices come and go
                self.names[kind] = device.name
        except NoSoundDevice:
            self.close()
            raise

    def _begin(self, kind: Kind, device: Device) -> Device:
        sound = _portaudio()
        try:
            stream = self._record(device) if kind == "microphone" else self._play(device)
            try:
                stream.start()
            except sound.PortAudioError:
                stream.close(ignore_errors=True)
                raise
        except sound.PortAudioError as error:
            raise NoSoundDevice(f"the {kind} {device.name!r} can't be used: {_reason(error)}") from error
        self._streams.append(stream)
        return device

    def _record(self, device: Device) -> "sounddevice.InputStream":
        sound = _portaudio()
        rate = _rate(sound.check_input_settings, device)
        resampler = Resampler(rate, WIRE_RATE)
        loop = asyncio.get_running_loop()

        def record(block: NDArray[np.float32], samples: int, times: object, status: object) -> None:
            self._alive["microphone"] = time.monotonic()
            loop.call_soon_threadsafe(self._tap.recorded, resampler.push(block[:, 0].copy()))

        return sound.InputStream(callback=record, device=device.index, **_format("microphone", rate))

    def _play(self, device: Device) -> "sounddevice.OutputStream":
        sound = _portaudio()
        rate = _rate(sound.check_output_settings, device)
        source = Resampled(self._source.take, rate)
        pace = PlaybackLimiter(rate)
        loop = asyncio.get_running_loop()

        def play(block: NDArray[np.float32], samples: int, times: Any, status: object) -> None:  # noqa: ANN401 - C data
            now = self._alive["speaker"] = time.monotonic()
            if not pace.allows(samples, now):
                block[:] = 0
                return
            block[:, 0], taken = source.take(samples, now + times.outputBufferDacTime - times.currentTime)
            loop.call_soon_threadsafe(self._tap.played, taken)

        return sound.OutputStream(callback=play, device=device.index, **_format("speaker", rate))


@contextmanager
def playing(source: SpeakerOutput, wanted: str | None) -> Iterator[None]:
    """Play `source` at a speaker, to the end of what was taken from it. Raises `NoSoundDevice`."""
    sound = _portaudio()
    device = find_device(list_devices(), "speaker", wanted)
    rate = _rate(sound.check_output_settings, device)
    resampled = Resampled(source.take, rate)

    def play(block: NDArray[np.float32], samples: int, times: object, status: object) -> None:
        block[:, 0], _ = resampled.take(samples, at=0.0)

    with hushed():
        try:
            with sound.OutputStream(callback=play, device=device.index, **_format("speaker", rate)):
                yield
        except sound.PortAudioError as error:
            raise NoSoundDevice(f"the speaker {device.name!r} can't be used: {_reason(error)}") from error


class PlaybackLimiter:
    """Detects a device that requests audio faster than real time: one that recovers discards seconds of it."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._most = round(_RUSH_S * rate)
        self._left = float(self._most)
        self._at: float | None = None

    def allows(self, samples: int, now: float) -> bool:
        """Whether `samples` more samples may be played at the time `now`, in seconds."""
        elapsed = 0.0 if self._at is None else now - self._at
        self._at = now
        # A device's clock may be a little fast, but never by a twentieth.
        self._left = min(self._most, self._left + elapsed * self._rate * 1.05)
        if self._left < samples:
            return False
        self._left -= samples
        return True


class Resampled:
    """A source at 24 kHz, resampled for a device with another rate."""

    def __init__(self, take: Callable[[int, float], Pcm], rate: int) -> None:
        self._take = take
        self._rate = rate
        self._resampler = Resampler(WIRE_RATE, rate)
        self._ready = silence(0)

    def take(self, samples: int, at: float) -> tuple[Pcm, Pcm]:
        """The next `samples` samples, to be heard from the time `at`; and the audio taken from the source for them."""
        taken = []
        while (lacking := samples - len(self._ready)) > 0:
            taken.append(self._take(-(-lacking * WIRE_RATE // self._rate), at))
            self._ready = np.concatenate((self._ready, self._resampler.push(taken[-1])))
        block, self._ready = self._ready[:samples], self._ready[samples:]
        return block, np.concatenate(taken) if taken else silence(0)


@contextmanager
def hushed() -> Iterator[None]:
    """Keep what ALSA and PortAudio write to standard error out of the terminal. Our own output still gets there."""
    kept = os.dup(2)
    stderr = sys.stderr
    with open(os.devnull, "w") as nowhere, open(kept, "w", buffering=1) as ours:  # noqa: PTH123 - descriptors
        os.dup2(nowhere.fileno(), 2)
        sys.stderr = ours
        try:
            yield
        finally:
            sys.stderr = stderr
            os.dup2(kept, 2)


def _rate(check: Callable[..., None], device: Device) -> int:
    """24 kHz if the device supports it, else its own rate."""
    sound = _portaudio()
    try:
        check(device=device.index, channels=1, dtype="float32", samplerate=WIRE_RATE)
    except sound.PortAudioError:
        return int(sound.query_devices(device.index)["default_samplerate"])
    return WIRE_RATE


def _format(kind: Kind, rate: int) -> dict[str, object]:
    return {
        "samplerate": rate,
        "blocksize": rate // _BLOCKS_A_SECOND,
        "channels": 1,
        "dtype": "float32",
        "latency": _LATENCY_S[kind],
    }


def _reason(error: Exception) -> str:
    """PortAudio's message, without its error number."""
    return str(error.args[0]).partition(" [")[0]


def _portaudio() -> "sounddevice":
    try:
        import sounddevice
    except OSError as error:
        raise NoSoundDevice(
            "PortAudio is not installed (Debian: apt install libportaudio2); without a microphone: "
            "antiphon ask QUESTION.wav"
        ) from error
    return sounddevice
