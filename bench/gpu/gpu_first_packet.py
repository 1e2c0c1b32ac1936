"""Latency of Step-Audio-R1 on this GPU: its published size, random weights, audio in real time.

    python -m bench.gpu.gpu_first_packet            67 GB in bfloat16 on a GPU
    python -m bench.gpu.gpu_first_packet --small    a few megabytes, on any machine, to show that the program runs

It needs torch, transformers and this repository. The model's output is meaningless; its cost is real.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from audio.pcm import INPUT_RATE, Pcm
from bench.gpu.graphed_step import GraphedStep
from pipeline.decoders.torch_models.kv_reader import Atom, KvReader, chunks
from pipeline.decoders.torch_models.step_audio import AUDIO, TEXT, StepAudioConfig, StepAudioModules
from pipeline.encoders.audio_units import Embeddings
from pipeline.encoders.encoder import Heard

SMALL_TEXT: dict[str, Any] = {
    **TEXT,
    "vocab_size": 320,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
SMALL_AUDIO: dict[str, Any] = {**AUDIO, "n_audio_state": 32, "n_audio_head": 4, "n_audio_layer": 2}

_HOP = INPUT_RATE // 4
"""Interval at which the agent pushes audio to the encoder."""
_THOUGHTS = 80
"""Thought tokens before the first word, as in Mind-Paced Speaking."""
_ANSWER = 8
_CAPACITY = 1024

# Arbitrary tokens: their values do not affect the time.
_SYSTEM = list(range(60))
"""Instructions, and the opening of the user's message."""
_DIRECTLY = list(range(60, 74))
"""The end of that message, the assistant's opening, and an empty thought."""
_THINKING = list(range(60, 68))
"""... and the opening of a thought."""
_THOUGHT_ENDS = list(range(68, 72))

Way = Literal["direct", "think first", "think first, graphed"]
WAYS: tuple[Way, ...] = ("direct", "think first", "think first, graphed")


@dataclass(frozen=True, slots=True)
class Turn:
    """Times of one turn, in milliseconds since its last sample arrived."""

    turn_s: float
    way: Way
    sound_tokens: int
    encoded_ms: float
    read_ms: float
    """The prompt is prefilled and the first token, of the answer or of a thought, is known."""
    first_token_ms: float
    """First token of the answer."""
    eight_tokens_ms: float


@dataclass(frozen=True, slots=True)
class Result:
    device: str
    parameters: float
    weights_gb: float
    peak_gb: float | None
    """Peak memory on the GPU."""
    copies_gb_s: float
    """Bandwidth of a copy on this device, in bytes read and written."""
    limit_ms: float
    """Time to read the decoder's weights once at that bandwidth: the lower bound for a token."""
    eager_ms: float
    """Time of a token, layer by layer from Python."""
    graphed_ms: float
    """Time of a token, replayed as a CUDA graph."""
    turns: list[Turn]


def measure(
    config: StepAudioConfig,
    device: torch.device,
    seconds: Sequence[float],
    wait: Callable[[float], None] = time.sleep,
    progress: Callable[[str], None] = lambda line: None,
) -> Result:
    """Measure all turns. `wait` lasts as long as the user speaks."""
    progress("building")
    model = random_model(config, device)
    bench = _Bench(model, device, wait)
    bench.turn(1.0, "direct", _silence(1))  # the first run is slower
    eager_ms, graphed_ms = bench.tokens_ms()
    progress(f"a token takes {eager_ms:.1f} ms, graphed {graphed_ms:.1f} ms")
    turns = []
    for length in seconds:
        for way in WAYS:
            turns.append(bench.turn(length, way, _noise(length)))
            progress(f"{length:g} s, {way}: {turns[-1].first_token_ms:.0f} ms")
    decoder_bytes = _bytes(model.decoder) - _bytes(model.decoder.model.embed_tokens)
    peak_gb = _peak_gb(device)  # before the copies, which need memory as well
    copies = _copies_bytes_s(device)
    return Result(
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        weights_gb=_bytes(model) / 1e9,
        peak_gb=peak_gb,
        copies_gb_s=copies / 1e9,
        limit_ms=decoder_bytes / copies * 1e3,
        eager_ms=eager_ms,
        graphed_ms=graphed_ms,
        turns=turns,
    )


def random_model(config: StepAudioConfig, device: torch.device) -> StepAudioModules:
    """A model with random weights, built in place: in bfloat16 on a GPU, without a temporary copy."""
    model = StepAudioModules.empty(config, device)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    random = torch.Generator(device).manual_seed(0)
    weights = {}
    for name, parameter in model.named_parameters():
        weight = torch.empty(parameter.shape, dtype=dtype, device=device)
        weights[name] = weight.normal_(0, 0.02, generator=random) if weight.dim() > 1 else weight.fill_(1)
    model.load_state_dict(weights, assign=True)
    model.requires_grad_(False)
    model.train(False)
    return model


class _Bench:
    def __init__(self, model: StepAudioModules, device: torch.device, wait: Callable[[float], None]) -> None:
        self._model = model
        self._device = device
        self._wait = wait
        self._ear = model.audio_encoder()
        self._graphed = GraphedStep(model.decoder, _CAPACITY)

    def turn(self, seconds: float, way: Way, pcm: Pcm) -> Turn:
        """Encode audio as it arrives and prefill what is committed; then encode and prefill the rest, and answer."""
        reader, stream = KvReader(self._model.decoder), self._ear.open()
        began = time.perf_counter()
        for at in range(0, len(pcm), _HOP):
            block = pcm[at : at + _HOP]
            due = began + (at + len(block)) / INPUT_RATE
            self._wait(max(due - time.perf_counter(), 0))
            last_sample = min(due, time.perf_counter())
            heard = stream.push(block)
            if at + len(block) < len(pcm):
                self._read(reader, [*_SYSTEM, *_atoms(heard)])
        heard = stream.finish()
        encoded = self._now()
        logits = self._read(reader, [*_SYSTEM, *_atoms(heard), *(_DIRECTLY if way == "direct" else _THINKING)])
        answered = [self._now()]
        # From here on, a token is known when its id has been copied from the device.
        for _ in self._answer(reader, logits, way):
            answered.append(time.perf_counter())
        ms = [(at - last_sample) * 1e3 for at in (encoded, answered[0], answered[1], answered[-1])]
        return Turn(seconds, way, sum(map(len, heard.units)), *ms)

    def tokens_ms(self, count: int = 24) -> tuple[float, float]:
        """Median time of a token, eager and graphed."""
        reader = KvReader(self._model.decoder)
        self._read(reader, [*_SYSTEM, *_SYSTEM])
        self._graphed.take(reader.cache)
        found = []
        for step in (lambda token: reader.read([token]), self._graphed.step):
            times = []
            for token in range(count):
                began = time.perf_counter()
                int(step(token).argmax())
                times.append(time.perf_counter() - began)
            found.append(median(times[2:]) * 1e3)
        return found[0], found[1]

    def _answer(self, reader: KvReader, logits: torch.Tensor, way: Way) -> Iterator[int]:
        step: Callable[[int], torch.Tensor] = lambda token: reader.read([token])  # noqa: E731
        if way == "think first, graphed":
            self._graphed.take(reader.cache)
            step = self._graphed.step
        if way != "direct":
            for _ in range(_THOUGHTS):
                logits = step(int(logits.argmax()))
            for token in _THOUGHT_ENDS:
                logits = step(token)
        for number in range(_ANSWER):
            token = int(logits.argmax())
            yield token
            if number + 1 < _ANSWER:
                logits = step(token)

    def _read(self, reader: KvReader, prompt: Sequence[Atom]) -> torch.Tensor:
        logits = torch.empty(0)
        for atoms in chunks(prompt, reader.keep(prompt)):
            logits = reader.read(atoms)
        return logits

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()


def _atoms(heard: Heard) -> list[Atom]:
    parts = (part for part in heard.units if isinstance(part, Embeddings))
    return [(part, index) for part in parts for index in range(len(part))]


def _silence(seconds: float) -> Pcm:
    return np.zeros(round(seconds * INPUT_RATE), np.float32)


def _noise(seconds: float) -> Pcm:
    noise: Pcm = np.random.default_rng(0).standard_normal(round(seconds * INPUT_RATE)).astype(np.float32) * 0.1
    return noise


def _bytes(module: nn.Module) -> int:
    return sum(parameter.numel() * parameter.element_size() for parameter in module.parameters())


def _peak_gb(device: torch.device) -> float | None:
    return torch.cuda.max_memory_allocated(device) / 1e9 if device.type == "cuda" else None


def _copies_bytes_s(device: torch.device, repeats: int = 10) -> float:
    size = 2**32 if device.type == "cuda" else 2**26
    source = torch.zeros(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        target.copy_(source)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - began)
    return 2 * size / median(times)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="bench.gpu.gpu_first_packet", description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a small model on the CPU")
    parser.add_argument("--seconds", default="5,10,20,30", help="lengths of the turns, separated by commas")
    parser.add_argument("--out", type=Path, help="file for the figures, as JSON")
    given = parser.parse_args(arguments)
    if not given.small and not torch.cuda.is_available():
        sys.exit("there is no GPU that torch can use: --small runs a small model on the CPU")
    config = StepAudioConfig.of(SMALL_TEXT, SMALL_AUDIO) if given.small else StepAudioConfig.of()
    device = torch.device("cpu" if given.small else "cuda")
    if given.small:
        torch.set_num_threads(1)  # several threads would wait for each other longer than they compute
    seconds = [float(length) for length in given.seconds.split(",")]
    result = measure(config, device, seconds, progress=lambda line: print(line, file=sys.stderr, flush=True))  # noqa: T201
    text = json.dumps(asdict(result), indent=1)
    print(text)  # noqa: T201
    if given.out is not None:
        given.out.write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
