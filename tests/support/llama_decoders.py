"""The embedded decoder with its smallest model, as several tests use it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pipeline.decoders.decoder import Close, Open, Text, Unit
from pipeline.decoders.llama_cpp.llama import LlamaDecoder
from pipeline.decoders.thought_formats import ThoughtFormat
from pipeline.weights.store import ModelStore


@asynccontextmanager
async def llama(
    slots: int = 2, capacity: int = 512, thoughts: ThoughtFormat | None = None
) -> AsyncIterator[LlamaDecoder]:
    model = ModelStore().resolve("smollm2-135m-instruct")
    decoder = await LlamaDecoder.in_process(
        model, slots=slots, capacity=capacity, threads=1, timeout_s=30, thoughts=thoughts
    )
    try:
        yield decoder
    finally:
        await decoder.close()


def asked(question: str) -> list[Unit]:
    return [Open("user"), Text(question), Close("user")]
