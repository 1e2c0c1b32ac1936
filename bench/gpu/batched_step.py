"""Cost of a token when several conversations generate at once: one pass for each, and one pass for all.

    python -m bench.gpu.batched_step        random weights: 0.5 billion, on a GPU 7 billion in bfloat16

It needs torch, transformers and this repository.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import torch
from rich.console import Console
from rich.table import Table
from transformers import Qwen2Config, Qwen2ForCausalLM

from pipeline.decoders.decoder import Sampling
from pipeline.decoders.torch_models.kv_reader import KvReader, chunks, read_each
from pipeline.decoders.torch_models.sampler import Sampler

SIZES = {
    "small": Qwen2Config(
        vocab_size=320,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
    ),
    "0.5b": Qwen2Config(
        vocab_size=151_936,
        hidden_size=896,
        intermediate_size=4864,
        num_hidden_layers=24,
        num_attention_heads=14,
        num_key_value_heads=2,
        tie_word_embeddings=True,
    ),
    "7b": Qwen2Config(
        vocab_size=152_064,
        hidden_size=3584,
        intermediate_size=18_944,
        num_hidden_layers=28,
        num_attention_heads=28,
        num_key_value_heads=4,
    ),
}
"""Model sizes: a small one to show that the program runs, and those of Qwen2.5."""

_SHORTER = 7
"""Tokens by which each conversation is shorter than the one before: real ones differ in length."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Median times of one token for every conversation."""

    conversations: int
    in_turn_ms: float
    together_ms: float


def random_model(config: Qwen2Config, device: torch.device) -> Qwen2ForCausalLM:
    """A model with random weights, built on `device`; in bfloat16 on a GPU."""
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    with device:
        model: Qwen2ForCausalLM = Qwen2ForCausalLM._from_config(config, dtype=dtype)  # type: ignore[no-untyped-call]
    model.requires_grad_(False)
    model.train(False)
    return model


def measure(model: Qwen2ForCausalLM, conversations: Sequence[int], context: int, tokens: int) -> list[Cost]:
    """Generate `tokens` tokens in conversations of about `context` tokens.

    The two ways alternate token by token, so that other load on the machine affects both.
    """
    prompt = [(7 * place + 3) % model.config.vocab_size for place in range(context)]
    whole = KvReader(model)
    read(whole, prompt)
    sampling = Sampling(temperature=0.7, top_p=0.9, max_tokens=tokens, seed=0)
    found = []
    for count in conversations:
        ends = [context - _SHORTER * number for number in range(count)]
        alone, together = ([_cut(whole, prompt[:end]) for end in ends] for _ in range(2))
        samplers = [Sampler(sampling, model.device) for _ in ends]
        times: tuple[list[float], list[float]] = ([], [])
        for token in range(tokens):
            began = time.perf_counter()
            for reader, sampler in zip(alone, samplers, strict=True):
                sampler.draw(reader.read([token]))
            between = time.perf_counter()
            for sampler, logits in zip(samplers, read_each(together, [token] * count), strict=True):
                sampler.draw(logits)
            times[0].append(between - began)
            times[1].append(time.perf_counter() - between)
        in_turn_ms, together_ms = (median(way[1:]) * 1e3 for way in times)  # the first run is slower
        found.append(Cost(count, in_turn_ms, together_ms))
    return found


def read(reader: KvReader, prompt: Sequence[int]) -> None:
    for atoms in chunks(prompt, reader.keep(prompt)):
        reader.read(atoms)


def table(costs: Sequence[Cost]) -> Table:
    made = Table("conversations", "in turn", "each", "together", "each", "in all", "times faster")
    for cost in costs:
        made.add_row(
            str(cost.conversations),
            f"{cost.in_turn_ms:.0f} ms",
            f"{1e3 / cost.in_turn_ms:.1f}/s",
            f"{cost.together_ms:.0f} ms",
            f"{1e3 / cost.together_ms:.1f}/s",
            f"{1e3 * cost.conversations / cost.together_ms:.1f}/s",
            f"{cost.in_turn_ms / cost.together_ms:.1f}",
        )
    return made


def _cut(whole: KvReader, prompt: Sequence[int]) -> KvReader:
    reader = whole.fork()
    read(reader, prompt)
    return reader


def main(arguments: Sequence[str] | None = None) -> None:
    on_gpu = torch.cuda.is_available()
    parser = argparse.ArgumentParser(prog="bench.gpu.batched_step", description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SIZES, default="7b" if on_gpu else "0.5b", help="of the model")
    parser.add_argument("--conversations", default="1,2,4,8", help="numbers of conversations, separated by commas")
    parser.add_argument("--context", type=int, default=500, help="tokens in the context of each")
    parser.add_argument("--tokens", type=int, default=9, help="tokens that each generates")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads, as decoder.threads")
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    model = random_model(SIZES[given.size], torch.device("cuda" if on_gpu else "cpu"))
    counts = [int(count) for count in given.conversations.split(",")]
    Console().print(table(measure(model, counts, given.context, given.tokens)))


if __name__ == "__main__":
    main()
