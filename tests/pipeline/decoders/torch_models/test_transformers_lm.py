"""The transformers decoder through its contract, on small random models: what it says is nonsense, how is not."""

import asyncio
import copy
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel, Qwen2Config, Qwen2ForCausalLM
from transformers.modeling_outputs import CausalLMOutputWithPast

from pipeline.backends import DECODERS
from pipeline.decoders.decoder import (
    Close,
    Context,
    DecoderError,
    Finished,
    Open,
    Sampling,
    Text,
    Thought,
    Token,
    Tool,
    ToolCall,
    Unit,
)
from pipeline.decoders.thought_formats import QWEN3
from pipeline.decoders.torch_models.checkpoint import CheckpointError
from pipeline.decoders.torch_models.transformers_lm import TransformersDecoder
from pipeline.encoders.audio_units import Embeddings
from pipeline.settings import DecoderSettings, PipelineSettings
from pipeline.weights.store import ModelStore
from tests.support.small_models import (
    EXACT,
    VOCABULARY,
    WIDTH,
    gemma,
    lively,
    llama,
    phi,
    qwen,
    tokenizer,
    transformers_decoder,
)

GREEDY = Sampling(temperature=0, top_p=1, max_tokens=12)
TOOL = Tool("light", "Switch a light.", {"type": "object", "properties": {"on": {"type": "boolean"}}})


def asked(question: str) -> list[Unit]:
    return [Open("user"), Text(question), Close("user")]


def sound(length: int, continues: bool = False) -> Embeddings:
    generator = torch.Generator().manual_seed(length)
    return Embeddings(torch.randn(length, WIDTH, generator=generator), continues)


async def answer(context: Context, sampling: Sampling = GREEDY) -> tuple[str, Finished]:
    parts = [part async for part in context.generate(sampling)]
    finished = parts.pop()
    assert isinstance(finished, Finished)
    return "".join(part.text for part in parts if isinstance(part, Token)), finished


class Parrot:
    """Makes a model write `text`, whatever it is asked, and then end its answer."""

    def __init__(self, text: str) -> None:
        self.model = copy.deepcopy(qwen())
        self.written = 0
        self._tokens = [*tokenizer().backend_tokenizer.encode(text).ids, tokenizer().eos_token_id]
        self.model.register_forward_hook(self._write, with_kwargs=True)

    def _write(
        self, model: object, args: object, kwargs: dict[str, torch.Tensor], output: CausalLMOutputWithPast
    ) -> CausalLMOutputWithPast:
        self.written = self.written + 1 if kwargs["input_ids"].shape[1] == 1 else 0
        logits = torch.zeros(1, 1, VOCABULARY)
        logits[..., self._tokens[min(self.written, len(self._tokens) - 1)]] = 1e4
        output.logits = logits
        return output


@pytest.mark.parametrize("model", [qwen, gemma])
async def test_a_rewound_context_goes_on_exactly_as_a_fresh_one(model: Callable[[], PreTrainedModel]) -> None:
    async with transformers_decoder(model()) as decoding:
        fresh = decoding.open("Be brief.")
        await fresh.append(asked("What is the capital of France?"))
        expected, _ = await answer(fresh)
        used = decoding.open("Be brief.")
        mark = used.mark()
        for tentative in ("What is the", "What is the capitol of", "Watt is the capital"):
            await used.append([Open("user"), Text(tentative)])
            await used.prefill()
            used.rewind(mark)
        await used.append(asked("What is the capital of France?"))
        assert (await answer(used))[0] == expected


async def test_only_what_is_new_is_read() -> None:
    async with transformers_decoder() as decoding:
        context = decoding.open("Be brief.")
        await context.append([Open("user"), Text("What is the capital of")])
        await context.prefill()
        length = await context.length()
        await context.append([Text(" France?"), Close("user")])
        _, finished = await answer(context)
        assert finished.prompt_tokens == await context.length() == length + len(" France?")
        behind = tokenizer().backend_tokenizer.encode("<|im_end|>\n<|im_start|>assistant\n").ids
        assert finished.cached_tokens == length - len(behind)
        assert finished.completion_tokens <= GREEDY.max_tokens
        _, again = await answer(context)
        assert again.cached_tokens == again.prompt_tokens - 1


async def test_the_end_of_a_turn_is_the_probability_of_a_final_mark_or_of_the_closing_token() -> None:
    async with transformers_decoder() as decoding:
        context = decoding.open("Be brief.")
        await context.append([Open("user"), Text("Good night")])
        found = await context.end_of_turn_probability()
        words = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nGood night"
        spelled = torch.tensor([tokenizer().backend_tokenizer.encode(words).ids])
        with torch.inference_mode():
            probabilities = qwen()(spelled).logits[0, -1].softmax(0)
        tokens = [tokenizer().convert_tokens_to_ids(token) for token in (".", "?", "!", "Ċ", "<|im_end|>")]
        likeliest = probabilities.topk(40).indices.tolist()
        expected = sum(float(probabilities[token]) for token in tokens if token in likeliest)
        assert found == pytest.approx(expected, rel=1e-4)


async def test_behind_sound_nobody_can_tell() -> None:
    async with transformers_decoder() as decoding:
        context = decoding.open("Be brief.")
        await context.append([Open("user"), sound(9)])
        await context.prefill()
        assert await context.end_of_turn_probability() is None
        await context.append([sound(4, continues=True), Close("user")])
        _, finished = await answer(context)
        assert finished.cached_tokens >= 9, "prefilling has read it"


async def test_sound_stands_between_its_tags_once_if_it_goes_on_and_each_time_if_not() -> None:
    async with transformers_decoder() as decoding:
        lengths = []
        for units in ([], [sound(5)], [sound(5), sound(3, continues=True)], [sound(5), sound(3)]):
            context = decoding.open("Be brief.")
            await context.append([Open("user"), *units, Close("user")])
            lengths.append(await context.length())
        silent, one, gone_on, two = lengths
        assert (one - silent, gone_on - silent, two - silent) == (5 + 2, 8 + 2, 8 + 4)


async def test_words_and_sound_give_what_one_forward_pass_gives() -> None:
    async with transformers_decoder() as decoding:
        spoken = sound(7)
        context = decoding.open("Be brief.")
        await context.append([Open("user"), Text("Listen: "), spoken, Text(" Well?"), Close("user")])
        text, _ = await answer(context)
        spell, embed = tokenizer().backend_tokenizer, qwen().get_input_embeddings()
        before = spell.encode("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nListen: <|sound|>").ids
        behind = spell.encode("<|/sound|> Well?<|im_end|>\n<|im_start|>assistant\n").ids
        written: list[int] = []
        with torch.inference_mode():
            for _ in range(GREEDY.max_tokens):
                vectors = [embed(torch.tensor(before)), spoken.vectors, embed(torch.tensor([*behind, *written]))]
                token = int(qwen()(inputs_embeds=torch.cat(vectors)[None], use_cache=False).logits[0, -1].argmax())
                if token == tokenizer().eos_token_id:
                    break
                written.append(token)
        assert text == spell.decode(written)


async def test_a_fork_goes_on_by_itself() -> None:
    async with transformers_decoder() as decoding:
        parent = decoding.open("Be brief.")
        await parent.append(asked("What is the capital of France?"))
        expected, _ = await answer(parent)
        child = await parent.fork()
        assert (await answer(child))[1].cached_tokens == await child.length() - 1
        await child.append([Open("assistant"), Text("Rome."), Close("assistant"), *asked("Sure?")])
        of_child, _ = await answer(child)
        assert (await answer(parent))[0] == expected
        fresh = decoding.open("Be brief.")
        await fresh.append(asked("What is the capital of France?"))
        await fresh.append([Open("assistant"), Text("Rome."), Close("assistant"), *asked("Sure?")])
        assert (await answer(fresh))[0] == of_child


async def test_conversations_at_once_do_not_disturb_each_other() -> None:
    questions = [f"Question number {number}?" for number in range(4)]
    async with transformers_decoder() as decoding:

        async def ask(question: str) -> str:
            context = decoding.open("Be brief.")
            await context.append(asked(question))
            return (await answer(context))[0]

        alone = [await ask(question) for question in questions]
        together = await asyncio.gather(*map(ask, questions))
    assert list(together) == alone
    assert len(set(alone)) > 1


async def test_conversations_take_turns_token_by_token() -> None:
    order: list[str] = []
    async with transformers_decoder() as decoding:

        async def ask(name: str) -> None:
            context = decoding.open("Be brief.")
            await context.append(asked(name))
            async for part in context.generate(Sampling(temperature=1, top_p=1, max_tokens=40, seed=1)):
                if isinstance(part, Token):
                    order.append(name)

        await asyncio.gather(ask("a"), ask("b"))
    assert order.index("b") < len(order) - 1 - order[::-1].index("a")


async def test_a_seed_makes_an_answer_the_same_again() -> None:
    async with transformers_decoder() as decoding:
        context = decoding.open("Be brief.")
        await context.append(asked("Sing!"))
        texts = [
            (await answer(context, Sampling(temperature=1, top_p=0.9, max_tokens=20, seed=seed)))[0]
            for seed in (1, 2, 1)
        ]
        assert texts[0] == texts[2] != texts[1]


async def test_closing_an_answer_stops_the_model_within_a_token() -> None:
    parrot = Parrot("la " * 500)
    async with transformers_decoder(parrot.model) as decoding:
        context = decoding.open("Be brief.")
        await context.append(asked("Sing!"))
        parts = context.generate(Sampling(temperature=0, top_p=1, max_tokens=500))
        assert isinstance(parts, AsyncGenerator)
        async with aclosing(parts):
            for _ in range(4):
                await anext(parts)
        await decoding.run(lambda: None)  # what was under way is over
        assert parrot.written == 3
        assert context.so_far == Finished("stop", await context.length(), 0, 4)


async def test_a_task_that_is_cancelled_leaves_a_context_that_can_be_used() -> None:
    async with transformers_decoder() as decoding:
        fresh = decoding.open("Be brief.")
        await fresh.append(asked("Well?"))
        expected, _ = await answer(fresh)
        context = decoding.open("Be brief.")
        await context.append(asked("Well?"))
        for turns in range(12):
            task = asyncio.create_task(answer(context))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert (await answer(context))[0] == expected


async def test_words_are_never_read_as_control_tokens() -> None:
    async with transformers_decoder() as decoding:
        context = decoding.open("Be brief.")
        await context.append([Open("user")])
        empty = await context.length()
        await context.append([Text("<|im_end|>")])
        assert await context.length() == empty + len("<|im_end|>")


async def test_an_answer_ends_at_a_stop_token_and_has_no_control_tokens_in_it() -> None:
    async with transformers_decoder(Parrot("Hello, <|im_start|>wörld").model) as decoding:
        context = decoding.open("Be brief.")
        await context.append(asked("Hi"))
        text, finished = await answer(context, Sampling(temperature=0, top_p=1, max_tokens=100))
        assert text == "Hello, wörld"
        assert finished.reason == "stop"


async def test_an_answer_is_cut_where_it_gets_too_long() -> None:
    async with transformers_decoder(Parrot("la " * 50).model, capacity=100) as decoding:
        context = decoding.open("Be brief.")
        await context.append(asked("Sing!"))
        length = await context.length()
        _, finished = await answer(context, Sampling(temperature=0, top_p=1, max_tokens=200))
        assert (finished.reason, finished.completion_tokens) == ("length", 100 - length)
        await context.append(asked("And on" * 10))
        with pytest.raises(DecoderError, match="and the context has 100"):
            await answer(context)


async def test_calls_are_parted_from_words() -> None:
    call = '<tool_call>\n{"name": "light", "arguments": {"on": true}}\n</tool_call>'
    async with transformers_decoder(Parrot(f"Yes. {call}").model) as decoding:
        context = decoding.open("Be brief.", [TOOL])
        await context.append(asked("Light!"))
        parts = [part async for part in context.generate(Sampling(temperature=0, top_p=1, max_tokens=200))]
        assert ToolCall("light", '{"on": true}') in parts
        assert "".join(part.text for part in parts if isinstance(part, Token)).strip() == "Yes."


@pytest.mark.parametrize("choice", ["required", TOOL])
async def test_a_call_that_must_be_made_is_begun_for_the_model_and_ends_the_answer(choice: Tool) -> None:
    async with transformers_decoder(Parrot('{"on": true}}</tool_call> and on and on').model) as decoding:
        context = decoding.open("Be brief.", [TOOL])
        await context.append(asked("Light!"))
        sampling = Sampling(temperature=0, top_p=1, max_tokens=200)
        parts = [part async for part in context.generate(sampling, choice)]
        assert parts[0] == ToolCall("light", json.dumps({"on": True}))
        assert isinstance(parts[1], Finished)
        assert parts[1].reason == "stop"
        assert len(parts) == 2


async def test_thoughts_are_parted_from_words() -> None:
    async with transformers_decoder(Parrot("<think>\nHm.\n</think>\n\nYes.").model, thoughts=QWEN3) as decoding:
        context = decoding.open("Be brief.")
        await context.append(asked("Well?"))
        parts = [part async for part in context.generate(Sampling(temperature=0, top_p=1, max_tokens=200))]
        assert "".join(part.text for part in parts if isinstance(part, Thought)) == "Hm."
        assert "".join(part.text for part in parts if isinstance(part, Token)) == "Yes."


async def test_an_open_message_is_gone_on_with() -> None:
    async with transformers_decoder() as decoding:
        context = decoding.open("Be brief.")
        await context.append([*asked("Well?")])
        length = await context.length()
        await context.append([Open("assistant"), Text("Yes, ")])
        assert await context.length() == length + len("Yes, ")


async def test_a_model_that_fails_says_so() -> None:
    async with transformers_decoder() as decoding:
        context = decoding.open("Be brief.")
        await context.append([Open("user"), Embeddings(torch.zeros(3, WIDTH + 1)), Close("user")])
        with pytest.raises(DecoderError, match="Qwen2ForCausalLM failed"):
            await answer(context)


async def test_a_template_that_drops_or_refuses_messages_is_told() -> None:
    for template, told in (("{{ messages[0].content }}", "drops"), ("{{ raise_exception('no') }}", "can't render")):
        async with transformers_decoder(template=template) as decoding:
            context = decoding.open("Be brief.")
            await context.append(asked("Well?"))
            with pytest.raises(DecoderError, match=told):
                await context.length()


@pytest.mark.parametrize("model", [phi, llama])
async def test_what_is_too_long_leaves_no_trace_in_what_was_read(model: Callable[[], PreTrainedModel]) -> None:
    """These models would read all of it with other positions, of which the beginning would be kept."""
    async with transformers_decoder(model(), capacity=EXACT) as decoding:
        fresh = decoding.open("Be brief.")
        await fresh.append(asked("Well?"))
        expected, _ = await answer(fresh)
        used = decoding.open("Be brief.")
        mark = used.mark()
        await used.append([Open("user"), Text("a" * EXACT)])
        with pytest.raises(DecoderError, match=r"the prompt takes \d+ tokens and the context has 128"):
            await used.prefill()
        with pytest.raises(DecoderError, match="the context has 128"):
            await used.fork()
        used.rewind(mark)
        await used.append(asked("Well?"))
        assert (await answer(used))[0] == expected


def test_a_model_whose_positions_would_change_is_refused() -> None:
    with pytest.raises(DecoderError, match="to at most 128"):
        TransformersDecoder(phi(), tokenizer(), capacity=EXACT + 1, threads=1)


def test_a_model_without_a_template_is_refused() -> None:
    with pytest.raises(DecoderError, match="no chat template"):
        TransformersDecoder(qwen(), tokenizer(None), capacity=100, threads=1)


async def test_a_model_is_loaded_from_the_folder_that_the_settings_name(tmp_path: Path) -> None:
    qwen().save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    chosen = DecoderSettings(backend="torch", model=str(tmp_path), device="cpu", context_tokens=1000)
    loaded = await DECODERS["torch"].open(PipelineSettings(decoder=chosen), ModelStore(tmp_path))
    try:
        context = loaded.open("Be brief.")
        await context.append(asked("Well?"))
        text, _ = await answer(context)
    finally:
        await loaded.close()
    async with transformers_decoder() as decoding:
        context = decoding.open("Be brief.")
        await context.append(asked("Well?"))
        assert (await answer(context))[0] == text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (None, r"model\.layers\.1\.mlp\.up_proj\.weight is missing"),
        (torch.zeros(5, 7), r"model\.layers\.1\.mlp\.up_proj\.weight is \[5, 7\] and should be \[64, 32\]"),
    ],
)
async def test_weights_that_do_not_fit_are_refused_by_name(
    change: torch.Tensor | None, said: str, tmp_path: Path
) -> None:
    qwen().save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    changed = {} if change is None else {"model.layers.1.mlp.up_proj.weight": change}
    save_file(weights | changed, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=said):
        await TransformersDecoder.load(tmp_path, device="cpu", capacity=1000, threads=1)


async def test_what_a_model_has_twice_may_be_in_its_folder_once(tmp_path: Path) -> None:
    config = Qwen2Config(**(qwen().config.to_dict() | {"tie_word_embeddings": True}))
    lively(Qwen2ForCausalLM(config)).save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    assert "lm_head.weight" not in load_file(tmp_path / "model.safetensors")
    decoding = await TransformersDecoder.load(tmp_path, device="cpu", capacity=1000, threads=1)
    await decoding.close()
