"""Step-Audio-R1 from a checkpoint in the published layout: small, random, and compared with a plain forward pass."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch.nn import functional
from transformers import Qwen2ForCausalLM
from transformers.audio_utils import mel_filter_bank
from transformers.utils.chat_template_utils import render_jinja_template

from audio.pcm import Pcm
from pipeline.decoders.decoder import Close, Context, Open, Sampling, Text, Thought, Token
from pipeline.decoders.torch_models.checkpoint import CheckpointError
from pipeline.decoders.torch_models.step_audio import TEMPLATE, StepAudioConfig, StepAudioModules, load, published_name
from pipeline.decoders.torch_models.transformers_lm import TransformersDecoder
from pipeline.encoders.audio_units import Embeddings
from tests.support.small_models import BYTES
from tests.support.towers import RATE, randomized

CONTROL = ("<|BOT|>", "<|EOT|>", "<audio_start>", "<audio_end>", "<audio_patch>")
TEXT = {
    "vocab_size": len(BYTES) + len(CONTROL),
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10_000.0,
}
AUDIO = {"n_mels": 128, "n_audio_ctx": 1500, "n_audio_state": 16, "n_audio_head": 4, "n_audio_layer": 2}
CONFIG = {
    "model_type": "step_audio_2",
    "audio_encoder_config": {**AUDIO, "llm_dim": 32, "kernel_size": 3, "adapter_stride": 2},
    "text_config": TEXT,
}
HALF_A_LETTER = "\ufffd"
"""Bytes at the end that do not make one yet: an answer waits with them."""
FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"

Weights = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def weights() -> Weights:
    modules = StepAudioModules(StepAudioConfig.of(TEXT, AUDIO))
    randomized(modules)
    return {published_name(own): parameter.data for own, parameter in modules.named_parameters()}


@pytest.fixture
def folder(tmp_path: Path, weights: Weights) -> Path:
    write(tmp_path, weights)
    return tmp_path


def write(folder: Path, weights: Weights) -> None:
    """As on the hub: two files, an index, config.json and tokenizer.json."""
    names = sorted(weights)
    parts = {FIRST: names[: len(names) // 2], SECOND: names[len(names) // 2 :]}
    for file, part in parts.items():
        save_file({name: weights[name].clone() for name in part}, folder / file)
    places = {name: file for file, part in parts.items() for name in part}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    (folder / "config.json").write_text(json.dumps(CONFIG))
    tokenizer().save(str(folder / "tokenizer.json"))


def tokenizer() -> Tokenizer:
    """Every byte a token, and Step-Audio's control tokens."""
    made = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(BYTES)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(list(CONTROL))
    return made


async def loaded(folder: Path) -> TransformersDecoder:
    return await load(folder, device="cpu", capacity=2000, threads=1)


def noise(seconds: float) -> Pcm:
    return (np.random.default_rng(0).standard_normal(round(seconds * RATE)) * 0.1).astype(np.float32)


def heard(decoder: TransformersDecoder, pcm: Pcm) -> list[Embeddings]:
    assert decoder.audio_encoder is not None
    stream = decoder.audio_encoder.open()
    stream.push(pcm)
    return [part for part in stream.finish().units if isinstance(part, Embeddings)]


def plainly_heard(weights: Weights, pcm: Pcm) -> torch.Tensor:
    """The published front end, encoder and adaptor, step by step, from the tensors by their published names."""

    def linear(name: str, given: torch.Tensor) -> torch.Tensor:
        return functional.linear(given, weights[f"{name}.weight"], weights.get(f"{name}.bias"))

    def norm(name: str, given: torch.Tensor) -> torch.Tensor:
        weight = weights[f"{name}.weight"]
        return functional.layer_norm(given, weight.shape, weight, weights[f"{name}.bias"])

    def heads(given: torch.Tensor) -> torch.Tensor:
        return given.view(len(given), AUDIO["n_audio_head"], -1).transpose(0, 1)

    def convolved(name: str, given: torch.Tensor, stride: int) -> torch.Tensor:
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        return functional.gelu(functional.conv1d(given, weight, bias, stride, padding=1))

    padded = functional.pad(torch.from_numpy(pcm), (0, 479))
    power = torch.stft(padded, 400, 160, window=torch.hann_window(400), return_complex=True)[:, :-1].abs() ** 2
    filters = mel_filter_bank(201, 128, 0, 8000, RATE, norm="slaney", mel_scale="slaney")
    mel = (torch.from_numpy(filters.T).float() @ power).clamp(min=1e-10).log10()
    mel = (mel.maximum(mel.max() - 8) + 4) / 4
    hidden = convolved("encoder.conv2", convolved("encoder.conv1", mel, 1), 2).T
    hidden = hidden + weights["encoder.positional_embedding.weight"][: len(hidden)]
    for number in range(AUDIO["n_audio_layer"]):
        block = f"encoder.blocks.{number}"
        given = norm(f"{block}.attn_ln", hidden)
        query, key, value = (heads(linear(f"{block}.attn.{name}", given)) for name in ("query", "key", "value"))
        attended = functional.scaled_dot_product_attention(query, key, value).transpose(0, 1).flatten(1)
        hidden = hidden + linear(f"{block}.attn.out", attended)
        given = functional.gelu(linear(f"{block}.mlp.0", norm(f"{block}.mlp_ln", hidden)))
        hidden = hidden + linear(f"{block}.mlp.2", given)
    pooled = norm("encoder.after_norm", functional.avg_pool1d(hidden.T, 2).T)
    halved = convolved("adapter.conv", pooled.T, 2).T
    return linear("adapter.linear2", linear("adapter.linear1", halved).relu())


def plainly_answered(
    weights: Weights, before: str, sound: torch.Tensor, behind: str, length: int
) -> tuple[str, list[torch.Tensor]]:
    """The decoder's greedy output and its logits, with everything read again for each token."""
    model = Qwen2ForCausalLM(StepAudioConfig.of(TEXT, AUDIO).text)
    model.load_state_dict({name: weights[name] for name in weights if name.startswith(("model.", "lm_head."))})
    spell, embed = tokenizer(), model.get_input_embeddings()
    written, logits = list[int](), list[torch.Tensor]()
    with torch.inference_mode():
        for _ in range(length):
            words = (torch.tensor(spell.encode(text).ids) for text in (before, behind))
            first, last = (embed(tokens) for tokens in words)
            parts = [first, sound, last, embed(torch.tensor(written, dtype=torch.long))]
            logits.append(model(inputs_embeds=torch.cat(parts)[None], use_cache=False).logits[0, -1])
            token = int(logits[-1].argmax())
            if token == spell.token_to_id("<|EOT|>"):
                break
            written.append(token)
    return spell.decode(written, skip_special_tokens=True), logits


async def answer(context: Context, length: int) -> str:
    parts = [part async for part in context.generate(Sampling(0, 1, length))]
    return "".join(part.text for part in parts if isinstance(part, Token | Thought))


@pytest.mark.parametrize("seconds", [0.3, 1.0, 2.345, 7.31])
async def test_it_hears_as_published(folder: Path, weights: Weights, seconds: float) -> None:
    decoder = await loaded(folder)
    [sound] = heard(decoder, noise(seconds))
    assert torch.allclose(sound.vectors, plainly_heard(weights, noise(seconds)), atol=1e-4)
    await decoder.close()


async def test_it_answers_what_a_plain_forward_pass_answers(folder: Path, weights: Weights) -> None:
    decoder = await loaded(folder)
    logits: list[torch.Tensor] = []
    decoder.model.register_forward_hook(lambda model, given, made: logits.append(made.logits[0, -1]))
    sounds = heard(decoder, noise(2))
    context = decoder.open("Be brief.")
    await context.append([Open("user"), *sounds, Close("user")])
    before = "<|BOT|>system\nBe brief.<|EOT|><|BOT|>human\n<audio_start>"
    behind = "<audio_end><|EOT|><|BOT|>assistant\n<think>\n"
    expected, of_each = plainly_answered(weights, before, sounds[0].vectors, behind, 24)
    assert expected
    assert (await answer(context, 24)).split() == expected.rstrip(HALF_A_LETTER).split()
    assert torch.allclose(torch.stack(logits[-len(of_each) :]), torch.stack(of_each), atol=1e-4)
    assert of_each[0].std() > 0.1, "a model that says the same of everything proves nothing"
    await decoder.close()


async def test_it_begins_inside_a_thought(folder: Path) -> None:
    decoder = await loaded(folder)
    assert decoder.thinks
    context = decoder.open("Be brief.")
    await context.append([Open("user"), Text("Hello"), Close("user")])
    first = await anext(aiter(context.generate(Sampling(0, 1, 24))))
    assert isinstance(first, Thought)
    await decoder.close()


def test_the_prompt_is_as_published_in_words_and_as_vllm_gives_it() -> None:
    """vLLM puts "<audio_patch>" in the place of each sound, each on a line of its own, or gives the parts."""
    parts: list[dict[str, str]] = [{"type": "audio"}, {"type": "text", "text": "Well?"}]
    for content in (parts, "<audio_patch>\nWell?"):
        messages: list[dict[str, Any]] = [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello."},
            {"role": "assistant", "content": "Hello!"},
            {"role": "user", "content": content},
        ]
        template = TEMPLATE.read_text()
        rendered = render_jinja_template([messages], chat_template=template, add_generation_prompt=True)
        assert rendered[0][0] == (
            "<|BOT|>system\nBe brief.<|EOT|><|BOT|>human\nHello.<|EOT|><|BOT|>assistant\nHello!<|EOT|>"
            "<|BOT|>human\n<audio_patch>Well?<|EOT|><|BOT|>assistant\n<think>\n"
        )


async def test_sizes_may_stand_at_the_top_of_the_config(folder: Path) -> None:
    flat = {**CONFIG, **TEXT, "model_type": "step_audio_qwen2", "text_config": None}
    (folder / "config.json").write_text(json.dumps(flat))
    decoder = await loaded(folder)
    assert heard(decoder, noise(1))
    await decoder.close()


def without(name: str) -> Callable[[Weights], Weights]:
    return lambda weights: {known: value for known, value in weights.items() if known != name}


def with_another(name: str, *shape: int) -> Callable[[Weights], Weights]:
    return lambda weights: {**weights, name: torch.zeros(shape)}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (without("encoder.blocks.1.attn.query.bias"), r"encoder\.blocks\.1\.attn\.query\.bias is missing"),
        (with_another("encoder.blocks.0.attn.key.bias", 16), r"encoder\.blocks\.0\.attn\.key\.bias is unknown"),
        (with_another("adapter.conv.weight", 16, 16, 7), r"adapter\.conv\.weight is \[16, 16, 7\] .* \[16, 16, 3\]"),
        (with_another("lm_head.weight", 9, 32), r"lm_head\.weight is \[9, 32\] and should be"),
        (lambda weights: {f"thinker.{name}": value for name, value in weights.items()}, r"is missing; .* and \d+ more"),
    ],
)
async def test_weights_that_do_not_fit_are_refused_by_name(
    tmp_path: Path, weights: Weights, change: Callable[[Weights], Weights], said: str
) -> None:
    write(tmp_path, change(weights))
    with pytest.raises(CheckpointError, match=said):
        await loaded(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model_type": "qwen2_audio"}, "holds a qwen2_audio model, not Step-Audio"),
        ({"audio_encoder_config": {**AUDIO, "adapter_stride": 4}}, "adapter_stride 4; only 2 is supported"),
        ({"text_config": {**TEXT, "hidden_size": 64}}, r"should be \[.*64.*and \d+ more"),
        ({"audio_encoder_config": {}}, "not a config of Step-Audio: KeyError"),
        ({"audio_encoder_config": {**AUDIO, "n_audio_head": 5}}, "not a config of Step-Audio: ValueError.*divisible"),
        ({"text_config": {**TEXT, "num_attention_heads": 0}}, "not a config of Step-Audio: ZeroDivisionError"),
        ({"text_config": {**TEXT, "num_hidden_layers": "2"}}, "not a config of Step-Audio: .*num_hidden_layers"),
        ({"text_config": {**TEXT, "rope_theta": None}}, "not a config of Step-Audio: TypeError"),
        ({"text_config": {**TEXT, "hidden_act": "gelu"}}, "hidden_act gelu; only silu is supported"),
        ({"text_config": {**TEXT, "use_sliding_window": True}}, "use_sliding_window True; only False is supported"),
        ({"text_config": {**TEXT, "tie_word_embeddings": True}}, "tie_word_embeddings True; only False is supported"),
        ([], "not a config of Step-Audio: AttributeError"),
    ],
)
async def test_a_config_that_does_not_fit_is_refused(folder: Path, change: Any, said: str) -> None:  # noqa: ANN401
    config = {**CONFIG, **change} if change else change
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=said):
        await loaded(folder)


@pytest.mark.parametrize("file", [SECOND, "model.safetensors.index.json", "config.json", "tokenizer.json"])
async def test_a_download_that_is_not_complete_is_refused(folder: Path, file: str) -> None:
    (folder / file).unlink()
    with pytest.raises(CheckpointError, match=r"lacks|no weights|not a config|no tokenizer"):
        await loaded(folder)


@pytest.mark.parametrize("file", [SECOND, "tokenizer.json"])
async def test_a_damaged_file_is_refused(folder: Path, file: str) -> None:
    (folder / file).write_bytes(b"<html>not found</html>")
    with pytest.raises(CheckpointError, match=f"{file} can't be read"):
        await loaded(folder)


async def test_a_folder_in_the_place_of_a_file_is_refused(folder: Path) -> None:
    (folder / SECOND).unlink()
    (folder / SECOND).mkdir()
    with pytest.raises(CheckpointError, match=f"{SECOND} can't be read"):
        await loaded(folder)


@pytest.mark.parametrize("index", ["[]", "null", "{", '{"weight_map": []}', '{"weight_map": {"a": 3}}'])
async def test_an_index_of_something_else_is_refused(folder: Path, index: str) -> None:
    (folder / "model.safetensors.index.json").write_text(index)
    with pytest.raises(CheckpointError, match="is no index of weights"):
        await loaded(folder)


@pytest.mark.parametrize("file", [FIRST, SECOND])
async def test_a_tensor_that_is_there_twice_is_refused(folder: Path, file: str) -> None:
    """The one that was looked at need not be the one that is loaded."""
    weights = [load_file(folder / name) for name in (FIRST, SECOND)]
    twice = next(iter(weights[file == FIRST]))
    save_file(weights[file == SECOND] | {twice: torch.zeros(3)}, folder / file)
    with pytest.raises(CheckpointError, match=f"{SECOND} has {twice}, as another file has"):
        await loaded(folder)


@pytest.mark.parametrize(("dtype", "name"), [(torch.int8, "I8"), (torch.float8_e4m3fn, "F8_E4M3")])
async def test_weights_that_need_a_scale_are_refused(
    tmp_path: Path, weights: Weights, dtype: torch.dtype, name: str
) -> None:
    write(tmp_path, {**weights, "lm_head.weight": weights["lm_head.weight"].to(dtype)})
    with pytest.raises(CheckpointError, match=rf"lm_head\.weight in .* is {name}; weights may be F64, F32, F16, BF16"):
        await loaded(tmp_path)


async def test_another_models_tokenizer_is_refused(folder: Path) -> None:
    plain = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(BYTES)}, merges=[]))
    plain.save(str(folder / "tokenizer.json"))
    with pytest.raises(CheckpointError, match="has no <audio_start>, <audio_end>"):
        await loaded(folder)


async def test_one_file_will_do(folder: Path) -> None:
    both = {**load_file(folder / FIRST), **load_file(folder / SECOND)}
    (folder / "model.safetensors.index.json").unlink()
    save_file(both, folder / "model.safetensors")
    await (await loaded(folder)).close()
