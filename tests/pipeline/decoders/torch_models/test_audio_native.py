"""Folders as published, loaded as a decoder with its audio encoder, compared with transformers' own reading."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoFeatureExtractor, PreTrainedModel

from audio.pcm import INPUT_RATE, Pcm
from pipeline.decoders.decoder import Close, DecoderError, Finished, Open, Sampling
from pipeline.decoders.torch_models import audio_native
from pipeline.decoders.torch_models.checkpoint import CheckpointError
from pipeline.decoders.torch_models.transformers_lm import TransformersDecoder
from tests.support import audio_native_models

Build = Callable[[Path], PreTrainedModel]
BUILDS = audio_native_models.BUILDS
GREEDY = Sampling(temperature=0, top_p=1, max_tokens=1)
PCM = np.random.default_rng(0).normal(0, 0.1, 5 * INPUT_RATE + 77).astype(np.float32)


class Witness:
    """Notes what the model is given to read, and what it makes of it."""

    def __init__(self, decoder: TransformersDecoder, placeholder: int) -> None:
        self.tokens: list[int] = []
        self.logits = torch.empty(0)
        self._placeholder = placeholder
        decoder.model.register_forward_hook(self._note, with_kwargs=True)

    def _note(self, model: object, args: object, kwargs: dict[str, Any], output: Any) -> None:  # noqa: ANN401
        if "input_ids" in kwargs:
            self.tokens += kwargs["input_ids"][0].tolist()
        else:
            self.tokens += [self._placeholder] * kwargs["inputs_embeds"].shape[1]
        self.logits = output.logits[0, -1]


def one_shot(model: PreTrainedModel, folder: Path, tokens: list[int], pcm: Pcm) -> torch.Tensor:
    """transformers' own reading of the prompt with the whole sound, as the model's processor prepares it."""
    extractor = AutoFeatureExtractor.from_pretrained(folder)  # type: ignore[no-untyped-call]
    if model.config.model_type == "gemma4":
        seen = extractor([pcm], truncation=False, return_tensors="pt")
        mask = {"input_features_mask": seen.input_features_mask}
    else:
        padding = "longest" if "qwen3" in model.config.model_type else "max_length"
        seen = extractor(
            [pcm],
            sampling_rate=INPUT_RATE,
            padding=padding,
            truncation=False,
            return_attention_mask=True,
            return_tensors="pt",
        )
        mask = {"feature_attention_mask": seen.attention_mask}
    with torch.inference_mode():
        read = model(input_ids=torch.tensor([tokens]), input_features=seen.input_features, **mask)
    logits: torch.Tensor = read.logits[0, -1]
    return logits


@pytest.mark.parametrize("build", BUILDS, ids=lambda build: build.__name__)
async def test_sound_is_read_as_transformers_reads_it(build: Build, tmp_path: Path) -> None:
    model = build(tmp_path)
    decoder = await audio_native.load(tmp_path, device="cpu", capacity=1000, threads=1)
    assert decoder.audio_encoder is not None
    placeholder = getattr(model.config, "audio_token_id", None) or model.config.audio_token_index
    witness = Witness(decoder, placeholder)
    stream = decoder.audio_encoder.open()
    for start in range(0, len(PCM), 3_333):
        heard = stream.push(PCM[start : start + 3_333])
    context = decoder.open("Be brief.")
    mark = context.mark()
    await context.append([Open("user"), *heard.committed_units])
    if heard.committed_units:
        await context.prefill()
    assert (await context.end_of_turn_probability() is None) == bool(heard.committed_units)
    context.rewind(mark)
    await context.append([Open("user"), *stream.finish().units, Close("user")])
    [*_, finished] = [part async for part in context.generate(GREEDY)]
    assert isinstance(finished, Finished)
    await decoder.close()
    expected = one_shot(model, tmp_path, witness.tokens, PCM)
    assert torch.allclose(witness.logits, expected, atol=1e-4), (witness.logits - expected).abs().max()
    assert expected.std() > 0.1, "a model that says the same of everything proves nothing"


@pytest.mark.parametrize("build", BUILDS, ids=lambda build: build.__name__)
async def test_weights_that_do_not_fit_are_refused_by_name(build: Build, tmp_path: Path) -> None:
    build(tmp_path)
    file, part = tmp_path / "model.safetensors", r"layers\.1\.self_attn\.q_proj(\.linear)?\.weight"
    weights = load_file(file) | {"talker.codec_head.weight": torch.zeros(2, 2)}
    heard, read = sorted((name for name in weights if re.search(part, name)), key=lambda name: "audio" not in name)
    for changed, said in (
        ({name: weights[name] for name in weights if name != heard}, rf"audio_tower\.{part} is missing"),
        ({name: weights[name] for name in weights if name != read}, rf"language_model\.{part} is missing"),
        (weights | {read: torch.zeros(5, 7)}, rf"language_model\.{part} is \[5, 7\] and should be \[32, 32\]"),
    ):
        save_file(changed, file)
        with pytest.raises(CheckpointError, match=said):
            await audio_native.load(tmp_path, device="cpu", capacity=1000, threads=1)
    save_file(weights, file)
    await (await audio_native.load(tmp_path, device="cpu", capacity=1000, threads=1)).close()


async def test_sounds_are_counted_where_the_template_counts_them(tmp_path: Path) -> None:
    audio_native_models.qwen2_audio(tmp_path)
    decoder = await audio_native.load(tmp_path, device="cpu", capacity=1000, threads=1)
    assert decoder.audio_encoder is not None
    witness = Witness(decoder, placeholder=0)
    context = decoder.open("Be brief.")
    for _ in range(2):
        stream = decoder.audio_encoder.open()
        stream.push(PCM)
        await context.append([Open("user"), *stream.finish().units, Close("user")])
    async for _ in context.generate(GREEDY):
        pass
    await decoder.close()
    text = decoder.tokenizer.decode([token for token in witness.tokens if token])
    assert "user\nAudio 1: <|audio_bos|><|audio_eos|>\n" in text
    assert "Audio 2: <|audio_bos|><|audio_eos|>\n" in text


async def test_a_chat_template_may_lie_with_the_processor(tmp_path: Path) -> None:
    audio_native_models.qwen25_omni(tmp_path)
    template = (tmp_path / "chat_template.jinja").read_text()
    (tmp_path / "chat_template.jinja").unlink()
    (tmp_path / "chat_template.json").write_text(json.dumps({"chat_template": template}))
    decoder = await audio_native.load(tmp_path, device="cpu", capacity=1000, threads=1)
    await decoder.close()
    assert decoder.tokenizer.chat_template == template


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ('{"model_type": "voxtral_realtime"}', "holds a voxtral_realtime model, which can't be the decoder: it"),
        ("{}", "not the folder of a transformers model: KeyError"),
        ("[]", "not the folder of a transformers model: TypeError"),
    ],
)
async def test_what_can_not_answer_is_refused(config: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(DecoderError, match=message):
        await audio_native.load(tmp_path, device="cpu", capacity=1000, threads=1)
