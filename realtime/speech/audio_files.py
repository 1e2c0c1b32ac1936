"""Audio in files of the kinds that HTTP clients send and ask for, written while it is still being made."""

import io
from collections.abc import Iterator
from typing import Literal, get_args

import av
import numpy as np
from av.audio import AudioStream
from av.audio.resampler import AudioResampler

from audio.pcm import INPUT_RATE, Pcm

FileFormat = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]
FORMATS: tuple[FileFormat, ...] = get_args(FileFormat)
MEDIA_TYPES: dict[FileFormat, str] = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
PCM_RATE = 24_000
"""Hz of "pcm", which is headerless 16-bit little-endian mono."""

_CONTAINERS: dict[FileFormat, tuple[str, str, int]] = {
    "mp3": ("mp3", "libmp3lame", 24_000),
    "opus": ("ogg", "libopus", 48_000),
    "aac": ("adts", "aac", 24_000),
    "flac": ("flac", "flac", 24_000),
    "wav": ("wav", "pcm_s16le", 24_000),
    "pcm": ("s16le", "pcm_s16le", PCM_RATE),
}
"""Container, codec and sample rate, as FFmpeg names them."""


class NotAudio(ValueError):
    """The bytes hold no audio that can be decoded; the message says why."""


class TooLong(ValueError):
    """The audio is longer than the caller takes."""


class FileWriter:
    """One file, from samples (float32, mono, at `rate` Hz) to its bytes, as they become ready."""

    def __init__(self, file_format: FileFormat, rate: int) -> None:
        container, codec, file_rate = _CONTAINERS[file_format]
        self._sink = _Sink()
        # Ogg gathers a second of sound in a page unless told otherwise.
        options = {"page_duration": "100000"} if container == "ogg" else {}
        self._container = av.open(self._sink, "w", format=container, options=options)
        stream = self._container.add_stream(codec, rate=file_rate, layout="mono")
        assert isinstance(stream, AudioStream)
        self._stream = stream
        self._stream.codec_context.open()
        self._resampler = AudioResampler(
            self._stream.format, "mono", file_rate, frame_size=self._stream.codec_context.frame_size or None
        )
        self._rate = rate

    def push(self, pcm: Pcm) -> bytes:
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(pcm[np.newaxis]), format="flt", layout="mono")
        frame.sample_rate = self._rate
        for resampled in self._resampler.resample(frame):
            self._container.mux(self._stream.encode(resampled))
        return self._sink.take()

    def finish(self) -> bytes:
        for resampled in self._resampler.resample(None):
            self._container.mux(self._stream.encode(resampled))
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._sink.take()


def read_audio(data: bytes, longest_s: float) -> Pcm:
    """The first audio track of a file of any kind that FFmpeg reads: float32, mono, 16 kHz.

    Raises `NotAudio`, and `TooLong` as soon as there is more than `longest_s`.
    """
    try:
        blocks = list(_bounded(_decode(data), round(longest_s * INPUT_RATE)))
    except (av.FFmpegError, IndexError, ValueError) as error:
        if isinstance(error, TooLong):
            raise
        raise NotAudio(f"the file holds no audio that can be decoded: {error}") from error
    if not blocks:
        raise NotAudio("the file holds no audio")
    pcm: Pcm = np.clip(np.nan_to_num(np.concatenate(blocks)), -1, 1)
    return pcm


def _decode(data: bytes) -> Iterator[Pcm]:
    with av.open(io.BytesIO(data), "r") as container:
        resampler = AudioResampler("flt", "mono", INPUT_RATE)
        for frame in container.decode(container.streams.audio[0]):
            for resampled in resampler.resample(frame):
                yield resampled.to_ndarray()[0].astype(np.float32)
        for resampled in resampler.resample(None):
            yield resampled.to_ndarray()[0].astype(np.float32)


def _bounded(blocks: Iterator[Pcm], most: int) -> Iterator[Pcm]:
    samples = 0
    for block in blocks:
        samples += len(block)
        if samples > most:
            raise TooLong(f"the audio is longer than {most / INPUT_RATE:g} s")
        yield block


class _Sink:
    """A file that is only ever written forward, so that what was written can be sent."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def take(self) -> bytes:
        taken, self._written = bytes(self._written), bytearray()
        return taken
