"""XTTS v2 and VITS models of coqui-tts behind OpenAI's speech API, in a process and an environment of their own.

Run by tts/xtts.py as a script: it imports nothing of Antiphon. The first line of its standard input is the key that
requests must show; it ends when its input does, so that it never outlives who started it. On its standard output it
says `port N` when it is ready.
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
"""At which XTTS hears a recording to speak like."""
CATALOGUE = "tts_models/"
CHUNK_TOKENS = 20
"""Tokens of XTTS to a chunk, 0.9 s of sound. Fewer are sooner there and cost more: each time all so far is decoded."""
SAMPLING = ("temperature", "length_penalty", "repetition_penalty", "top_k", "top_p")
"""Of XTTS, as the model's own configuration has it."""

Pcm = NDArray[np.float32]


class UnknownSpeaker(ValueError):
    """The model has no such speaker, and there is no such recording."""


class NoCoqui(ImportError):
    """Coqui-tts can't be imported."""

    def __init__(self, python: str, why: str) -> None:
        super().__init__(
            f"{python} has no coqui-tts that works ({why}): pip install 'antiphon[xtts]' there, "
            "or name the interpreter that has it in voice.python"
        )


class Speaker(Protocol):
    """A loaded model. Not for two threads at once."""

    @property
    def sample_rate(self) -> int: ...

    def speak(self, text: str, voice: str, speed: float) -> Iterator[Pcm]:
        """Sound as it is made, each step one chunk. Raises `UnknownSpeaker`."""
        ...


class Manager(Protocol):
    """Coqui's table of speakers."""

    speakers: dict[str, dict[str, object]]
    name_to_id: dict[str, int]
    num_speakers: int


class Model(Protocol):
    """What is used of Coqui's models, which have no types."""

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
    """XTTS v2, streaming: a speaker of its own, or the path of a recording to speak like."""

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
                self._latents[voice] = self._heard(voice)
            else:
                known = ", ".join(manager.speakers) if manager is not None else "none"
                raise UnknownSpeaker(f"no speaker and no file {voice!r}; speakers: {known}")
        return self._latents[voice]

    def _heard(self, recording: str) -> tuple[object, object]:
        # The model's own way of reading a file needs torchcodec, which needs FFmpeg.
        import soundfile
        import soxr
        import torch

        config = self._model.config
        with soundfile.SoundFile(recording) as file:
            heard = file.read(config.max_ref_len * file.samplerate, dtype="float32", always_2d=True)
            samples = soxr.resample(heard.mean(axis=1), file.samplerate, REFERENCE_RATE)
        audio = torch.from_numpy(samples)[None]
        with torch.inference_mode():
            embedding = self._model.get_speaker_embedding(audio, REFERENCE_RATE)
            lengths = {"length": config.gpt_cond_len, "chunk_length": config.gpt_cond_chunk_len}
            return self._model.get_gpt_cond_latents(audio, REFERENCE_RATE, **lengths), embedding


class VitsSpeaker:
    """Any other model of coqui-tts: a clause at once."""

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
    """`model`: a folder with config.json and weights, or a name of coqui-tts's catalogue, which is then fetched.

    Raises `NoCoqui`, `FileNotFoundError`, or `ValueError` if the model does not speak the language.
    """
    try:
        import torchaudio  # noqa: F401 - built for CUDA, it ends with an OSError beside a torch without
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
    """Speaks one clause at a time; who comes meanwhile waits."""

    daemon_threads = True

    def __init__(self, speaker: Speaker, key: str) -> None:
        super().__init__(("127.0.0.1", 0), SpeechHandler)
        self.speaker = speaker
        self.key = key
        self.busy = threading.Lock()


class SpeechHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: SpeechServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers.get("Authorization") != f"Bearer {self.server.key}":
            return self._refuse(401, "the key is wrong")
        if self.path != "/v1/audio/speech" or body.get("response_format") != "pcm":
            return self._refuse(404, "only /v1/audio/speech with the response_format pcm is served here")
        with self.server.busy:
            # Who waited for others may have left.
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
            # The listener went away: nothing more is made.
            chunks.close()
            self.close_connection = True
        except Exception as error:
            # Without the last chunk the client knows that something is missing.
            self.close_connection = True
            self.log_error("%s", f"{type(error).__name__}: {error}")

    def _send(self, pcm: Pcm) -> None:
        data = (np.clip(pcm, -1, 1) * 32767).astype("<i2").tobytes()
        if data:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()

    def _is_alone(self) -> bool:
        """Whether the listener went away. Sending tells it only at the second attempt."""
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
        """What is said is nobody else's business."""


def resampled(chunks: Iterator[Pcm], rate: int) -> Generator[Pcm, None, None]:
    """`chunks` at 24 kHz."""
    if rate == RATE:
        yield from chunks
        return
    import soxr

    stream = soxr.ResampleStream(rate, RATE, 1, dtype="float32")
    for chunk in chunks:
        yield stream.resample_chunk(chunk)
    yield stream.resample_chunk(np.zeros(0, dtype=np.float32), last=True)


def serve(speaker: Speaker) -> None:
    """Until standard input ends."""
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
    # What the model's packages print must not be taken for the port.
    said, sys.stdout = sys.stdout, sys.stderr
    speaker = load(arguments.model, arguments.language)
    sys.stdout = said
    serve(speaker)


if __name__ == "__main__":
    main()
