"""A server that offers XTTS v2 and VITS models of coqui-tts through OpenAI's speech API, in an environment of its own.

tts/engines/coqui.py runs this file as a script, so it imports nothing of Antiphon. The first line of standard input is
the API key that requests must present. The script prints `port N` once it is ready, and exits when standard input
closes, so it never outlives its parent.
"""

import argparse
import json
import os
import select
import socket
import sys
import threading
from collections.abc import Generator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

RATE = 24_000
REFERENCE_RATE = 22_050
"""Sample rate at which XTTS takes a recording of the voice to imitate."""
CATALOGUE = "tts_models/"
"""Prefix of the names in coqui-tts's catalogue."""
CHUNK_TOKENS = 20
"""XTTS tokens in a chunk, 0.9 s of audio. Smaller ones arrive sooner and cost more: each decodes all tokens so far."""
SAMPLING = ("temperature", "length_penalty", "repetition_penalty", "top_k", "top_p")
"""Sampling parameters of XTTS, whose values come from the model's own configuration."""
PACKAGES = "coqui-tts torchaudio torchcodec six"
"""The packages of the extra `xtts`, by which an interpreter without Antiphon gets them too."""

Pcm = NDArray[np.float32]


class UnknownSpeaker(ValueError):
    """The requested voice is neither a speaker of the model nor a recording that exists."""


class NoCoqui(ImportError):
    """The interpreter cannot import coqui-tts; the message says what to install."""

    def __init__(self, python: str, why: str) -> None:
        super().__init__(
            f"{python} has no coqui-tts that works ({why}): {python} -m pip install {PACKAGES}, "
            "or name the interpreter that has it in voice.python"
        )


class Speaker(Protocol):
    """A loaded model. Not thread-safe."""

    @property
    def sample_rate(self) -> int:
        """Samples per second of the audio that `speak` returns."""
        ...

    def speak(self, text: str, voice: str, speed: float) -> Iterator[Pcm]:
        """Synthesize `text`; each step computes one chunk, float32 mono. `speed` 2 talks twice as fast.

        Raises `UnknownSpeaker`.
        """
        ...


class Manager(Protocol):
    """Table of a model's speakers, as coqui-tts stores it."""

    speakers: dict[str, dict[str, object]]
    name_to_id: dict[str, int]
    num_speakers: int


class Model(Protocol):
    """The attributes used here of coqui-tts's models, which are untyped."""

    args: Any
    config: Any
    length_scale: float
    speaker_manager: Manager | None
    language_manager: Any

    def inference_stream(self, *arguments: object, **options: object) -> Iterator[Any]: ...
    def get_speaker_embedding(self, audio: object, sr: int) -> object: ...
    def get_gpt_cond_latents(self, audio: object, sr: int, **lengths: int) -> object: ...
    def synthesize(self, text: str, **options: object) -> dict[str, Any]: ...


class XttsSpeaker:
    """XTTS v2, streaming. A voice is one of the model's speakers, or the path of a recording to imitate."""

    def __init__(self, model: Model, language: str) -> None:
        self._model = model
        self._language = language
        self._latents: dict[str, tuple[object, object]] = {}
        self._sampling = {name: model.config[name] for name in SAMPLING}

    @property
    def sample_rate(self) -> int:
        return int(self._model.args.output_sample_rate)

    def speak(self, text: str, voice: str, speed: float) -> Iterator[Pcm]:
        import torch

        condition, embedding = self._conditioned(voice)
        chunks = self._model.inference_stream(
            text, self._language, condition, embedding, stream_chunk_size=CHUNK_TOKENS, speed=speed, **self._sampling
        )
        while True:
            with torch.inference_mode():
                chunk = next(chunks, None)
            if chunk is None:
                return
            yield chunk.cpu().numpy().astype(np.float32)

    def _conditioned(self, voice: str) -> tuple[object, object]:
        if voice not in self._latents:
            manager = self._model.speaker_manager
            if manager is not None and voice in manager.speakers:
                condition, embedding = manager.speakers[voice].values()
                self._latents[voice] = condition, embedding
            elif Path(voice).is_file():
                self._latents[voice] = self._latents_of(voice)
            else:
                known = ", ".join(manager.speakers) if manager is not None else "none"
                raise UnknownSpeaker(f"no speaker and no file {voice!r}; speakers: {known}")
        return self._latents[voice]

    def _latents_of(self, recording: str) -> tuple[object, object]:
        # The model's own loader needs torchcodec, which needs FFmpeg.
        import soundfile
        import soxr
        import torch

        config = self._model.config
        with soundfile.SoundFile(recording) as file:
            frames = file.read(config.max_ref_len * file.samplerate, dtype="float32", always_2d=True)
            samples = soxr.resample(frames.mean(axis=1), file.samplerate, REFERENCE_RATE)
        audio = torch.from_numpy(samples)[None]
        with torch.inference_mode():
            embedding = self._model.get_speaker_embedding(audio, REFERENCE_RATE)
            lengths = {"length": config.gpt_cond_len, "chunk_length": config.gpt_cond_chunk_len}
            return self._model.get_gpt_cond_latents(audio, REFERENCE_RATE, **lengths), embedding


class VitsSpeaker:
    """Any other model of coqui-tts, which synthesizes a clause in one step."""

    def __init__(self, model: Model, language: str) -> None:
        self._model = model
        self._language = (
            language if model.language_manager is not None and model.language_manager.num_languages else None
        )

    @property
    def sample_rate(self) -> int:
        return int(self._model.config.audio.sample_rate)

    def speak(self, text: str, voice: str, speed: float) -> Iterator[Pcm]:
        manager = self._model.speaker_manager
        many = manager is not None and manager.num_speakers > 1
        if manager is not None and many and voice not in manager.name_to_id:
            raise UnknownSpeaker(f"no speaker {voice!r}; speakers: {', '.join(manager.name_to_id)}")
        self._model.length_scale = 1 / speed
        made = self._model.synthesize(text, speaker=voice if many else None, language=self._language)
        yield np.asarray(made["wav"], dtype=np.float32)


def load(model: str, language: str) -> Speaker:
    """Load `model`: a folder with config.json and weights, or a name in coqui-tts's catalogue, which is downloaded.

    Raises `NoCoqui` without coqui-tts, `FileNotFoundError` without the folder, `ValueError` if the model does not speak
    `language`.
    """
    try:
        import torchaudio  # noqa: F401 - a CUDA build raises an OSError next to a torch without CUDA
        from TTS.config import load_config
        from TTS.tts.models import setup_model
    except (ImportError, OSError) as error:
        raise NoCoqui(sys.executable, " ".join(str(error).split())) from error

    folder = Path(model)
    if not folder.is_dir():
        if not model.startswith(CATALOGUE):
            raise FileNotFoundError(
                f"there is no folder {model}; names of coqui-tts's catalogue begin with {CATALOGUE}"
            )
        from TTS.utils.manage import ModelManager

        path, _, _ = ModelManager().download_model(model)
        folder = Path(path) if Path(path).is_dir() else Path(path).parent
    config = load_config(folder / "config.json")
    if config.model == "xtts" and language.split("-")[0] not in {name.split("-")[0] for name in config.languages}:
        raise ValueError(f"the model does not speak {language!r}; it speaks {', '.join(config.languages)}")
    loaded = setup_model(config)
    if config.model == "xtts":
        loaded.load_checkpoint(config, checkpoint_dir=folder, eval=True)
        return XttsSpeaker(loaded, language)
    weights = next(path for path in sorted(folder.iterdir()) if path.suffix in (".pth", ".pt"))
    loaded.load_checkpoint(config, weights, eval=True)
    return VitsSpeaker(loaded, language)


class SpeechServer(ThreadingHTTPServer):
    """HTTP server that synthesizes one clause at a time; further requests wait."""

    daemon_threads = True

    def __init__(self, speaker: Speaker, key: str) -> None:
        super().__init__(("127.0.0.1", 0), SpeechHandler)
        self.speaker = speaker
        self.key = key
        self.busy = threading.Lock()


class SpeechHandler(BaseHTTPRequestHandler):
    """Answers `POST /v1/audio/speech` with raw audio: 24 kHz, mono, 16 bits, chunk by chunk."""

    protocol_version = "HTTP/1.1"
    server: SpeechServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers.get("Authorization") != f"Bearer {self.server.key}":
            return self._refuse(401, "the key is wrong")
        if self.path != "/v1/audio/speech" or body.get("response_format") != "pcm":
            return self._refuse(404, "only /v1/audio/speech with the response_format pcm is served here")
        with self.server.busy:
            # The client may have disconnected while it waited for others.
            if not self._is_alone():
                self._speak(body)

    def _speak(self, body: dict[str, Any]) -> None:
        speaker = self.server.speaker
        chunks = resampled(speaker.speak(body["input"], body["voice"], body.get("speed", 1.0)), speaker.sample_rate)
        try:
            first = next(chunks, None)
        except UnknownSpeaker as error:
            return self._refuse(404, str(error))
        except Exception as error:
            return self._refuse(500, f"{type(error).__name__}: {error}")
        self.send_response(200)
        self.send_header("Content-Type", "audio/pcm")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            while first is not None:
                self._send(first)
                if self._is_alone():
                    raise ConnectionAbortedError
                first = next(chunks, None)
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            # The client disconnected: stop synthesizing.
            chunks.close()
            self.close_connection = True
        except Exception as error:
            # Without the final chunk the client knows that audio is missing.
            self.close_connection = True
            self.log_error("%s", f"{type(error).__name__}: {error}")

    def _send(self, pcm: Pcm) -> None:
        data = (np.clip(pcm, -1, 1) * 32767).astype("<i2").tobytes()
        if data:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()

    def _is_alone(self) -> bool:
        """Whether the client disconnected. Sending reports that only at the second attempt."""
        readable, _, _ = select.select([self.connection], [], [], 0)
        try:
            return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def _refuse(self, status: int, why: str) -> None:
        data = json.dumps({"error": {"message": why}}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing: what is said is private."""


def resampled(chunks: Iterator[Pcm], rate: int) -> Generator[Pcm, None, None]:
    """`chunks` (audio at `rate`) resampled to 24 kHz."""
    if rate == RATE:
        yield from chunks
        return
    import soxr

    stream = soxr.ResampleStream(rate, RATE, 1, dtype="float32")
    for chunk in chunks:
        yield stream.resample_chunk(chunk)
    yield stream.resample_chunk(np.zeros(0, dtype=np.float32), last=True)


def serve(speaker: Speaker) -> None:
    """Serve `speaker` on a free port of the loopback interface until standard input closes."""
    key = sys.stdin.readline().strip()
    with SpeechServer(speaker, key) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        sys.stdout.write(f"port {server.server_port}\n")
        sys.stdout.flush()
        sys.stdin.read()
        server.shutdown()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--language", required=True)
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    # Output of the model's packages must not be mistaken for the port.
    stdout, sys.stdout = sys.stdout, sys.stderr
    speaker = load(arguments.model, arguments.language)
    sys.stdout = stdout
    serve(speaker)


if __name__ == "__main__":
    main()
