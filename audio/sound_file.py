"""Reading and writing of sound files."""

from pathlib import Path

import numpy as np
import soundfile
import soxr

from audio.errors import PlainError
from audio.pcm import Pcm

_MIN_RATE, _MAX_RATE = 8_000, 192_000
_MAX_SECONDS = 600
_BLOCK_FRAMES = 2**16


class UnreadableAudio(PlainError):
    """A sound file cannot be read or written. The message states why, in one sentence."""


def read_wav(path: Path, rate: int) -> Pcm:
    """The file's audio at `rate` Hz, its channels mixed to one. Takes every format that libsndfile reads.

    Raises `UnreadableAudio`.
    """
    _check_readable(path)
    try:
        with soundfile.SoundFile(path) as file:
            source_rate, seconds = file.samplerate, file.frames / file.samplerate
            if not _MIN_RATE <= source_rate <= _MAX_RATE:
                raise UnreadableAudio(f"{path} is sampled at {source_rate} Hz; 8 to 192 kHz can be used")
            if seconds > _MAX_SECONDS:
                raise UnreadableAudio(f"{path} is {seconds:.0f} s long; a question may be {_MAX_SECONDS} s at most")
            # In blocks, because a file may have hundreds of channels.
            blocks = [block.mean(axis=1) for block in file.blocks(_BLOCK_FRAMES, dtype="float32", always_2d=True)]
    except soundfile.LibsndfileError as error:
        raise UnreadableAudio(f"{path} is not a readable audio file: {error.error_string}") from error
    except TypeError as error:
        raise UnreadableAudio(f"{path} is raw audio without a header: convert it to WAV") from error
    if not blocks:
        raise UnreadableAudio(f"{path} holds no audio")
    pcm = np.concatenate(blocks)
    resampled = soxr.resample(pcm, source_rate, rate) if source_rate != rate else pcm
    clipped: Pcm = np.clip(np.nan_to_num(resampled), -1, 1).astype(np.float32)
    return clipped


def check_writable(path: Path) -> None:
    """Raises `UnreadableAudio` if it is already clear that no file can be written at `path`."""
    folder = path.parent
    if not folder.is_dir():
        raise UnreadableAudio(f"{path} can't be written: there is no folder {folder}")
    if path.is_dir():
        raise UnreadableAudio(f"{path} can't be written: it is a folder")
    if path.suffix.lower() not in (".wav", ".ogg"):
        raise UnreadableAudio(f"{path} can't be written: name it .wav or .ogg")


def write_wav(path: Path, pcm: Pcm, rate: int) -> None:
    """Write 16-bit PCM or, if the name ends in .ogg, Opus, which takes 24 and 48 kHz. Raises `UnreadableAudio`."""
    container, coding = _container(path)
    try:
        soundfile.write(path, pcm, rate, subtype=coding, format=container)
    except (soundfile.LibsndfileError, OSError) as error:
        raise UnreadableAudio(f"{path} can't be written: {error}") from error


def _container(path: Path) -> tuple[str, str]:
    return ("OGG", "OPUS") if path.suffix.lower() == ".ogg" else ("WAV", "PCM_16")


def _check_readable(path: Path) -> None:
    """Raise the operating system's error, which is plainer than libsndfile's."""
    try:
        if path.exists() and not path.is_file():
            raise UnreadableAudio(f"{path} is not a file")
        path.open("rb").close()
    except FileNotFoundError as error:
        raise UnreadableAudio(f"there is no file {path}") from error
    except OSError as error:
        raise UnreadableAudio(f"{path} can't be read: {error.strerror}") from error
