"""A KV cache that is read on, gone back in and forked, against reading everything anew."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import Lfm2Config, Lfm2ForCausalLM, PreTrainedModel, Qwen2AudioConfig, WhisperFeatureExtractor
from transformers.models.qwen2_5_omni.configuration_qwen2_5_omni import Qwen2_5OmniThinkerConfig
from transformers.models.qwen2_5_omni.modeling_qwen2_5_omni import Qwen2_5OmniThinkerForConditionalGeneration
from transformers.models.qwen2_audio.modeling_qwen2_audio import Qwen2AudioForConditionalGeneration

from pipeline.decoders.decoder import DecoderError
from pipeline.decoders.reading import CHUNK, Atom, Reader, check_rewindable, chunk
from pipeline.embeddings import Embeddings, Sound
from pipeline.encoders.encoder import Encoder
from pipeline.encoders.qwen_audio import Qwen2Audio
from pipeline.encoders.qwen_omni import Qwen25Omni
from tests.pipeline.decoders.small_models import VOCABULARY, WIDTH, gemma, qwen
from tests.pipeline.encoders.towers import made, randomized

MODELS = {"full attention": qwen, "sliding windows": gemma}
TOLERANCE = 1e-4


@pytest.fixture(params=list(MODELS), scope="module")
def model(request: pytest.FixtureRequest) -> PreTrainedModel:
    return MODELS[request.param]()


def sound(length: int, seed: int = 0) -> Embeddings:
    return Embeddings(torch.randn(length, WIDTH, generator=torch.Generator().manual_seed(seed)))


def atoms(*parts: int | Sound) -> list[Atom]:
    """So many tokens, always the same ones in the same places, and sounds between them."""
    found: list[Atom] = []
    for part in parts:
        if isinstance(part, Embeddings):
            found += [(part, index) for index in range(len(part))]
        else:
            assert isinstance(part, int)
            found += [(7 * (len(found) + index) + 3) % VOCABULARY for index in range(part)]
    return found


def read(reader: Reader, prompt: Sequence[Atom]) -> torch.Tensor:
    at = reader.keep(prompt)
    logits = torch.empty(0)
    while at < len(prompt):
        part = chunk(prompt, at)
        logits = reader.read(part)
        at += len(part)
    return logits


def fresh(model: PreTrainedModel, prompt: Sequence[Atom]) -> torch.Tensor:
    """All of it in one forward pass, without a cache."""
    with torch.inference_mode():
        words = torch.tensor([[atom if isinstance(atom, int) else 0 for atom in prompt]])
        vectors = model.get_input_embeddings()(words)[0].clone()
        for place, atom in enumerate(prompt):
            if not isinstance(atom, int):
                vectors[place] = atom[0].vectors[atom[1]]
        logits: torch.Tensor = model(inputs_embeds=vectors[None], use_cache=False).logits[0, -1]
        return logits


def assert_same(found: torch.Tensor, expected: torch.Tensor) -> None:
    assert expected.std() > 0.1  # or there would be nothing to compare
    assert float((found - expected).abs().max()) < TOLERANCE


PROMPTS = st.lists(st.integers(1, 30) | st.builds(sound, st.integers(1, 20), st.integers(0, 3)), min_size=1, max_size=5)


@settings(deadline=None, max_examples=25)
@given(prompts=st.lists(PROMPTS, min_size=1, max_size=6), kept=st.lists(st.integers(0, 60), min_size=6, max_size=6))
def test_whatever_was_read_before_the_logits_are_those_of_a_fresh_prompt(
    model: PreTrainedModel, prompts: list[list[int | Embeddings]], kept: list[int]
) -> None:
    """Random prompts that share beginnings of random lengths: reading on, and going back, within windows and beyond."""
    reader = Reader(model)
    before: list[Atom] = []
    for parts, keep in zip(prompts, kept, strict=False):
        prompt = [*before[:keep], *atoms(*parts)]
        assert_same(read(reader, prompt), fresh(model, prompt))
        before = prompt


def test_token_by_token_is_the_same_as_in_chunks(model: PreTrainedModel) -> None:
    prompt = atoms(40, sound(20), 10)
    reader = Reader(model)
    for atom in prompt:
        logits = reader.read([atom])
    assert_same(logits, fresh(model, prompt))


def test_only_what_is_new_is_read(model: PreTrainedModel) -> None:
    reader = Reader(model)
    prompt = atoms(20, sound(5), 10)
    assert reader.keep(prompt) == 0
    read(reader, prompt)
    assert reader.keep([*prompt, 1]) == 35
    assert reader.keep(prompt) == 34, "the last one is read again: what follows it is not kept"
    assert reader.keep([*prompt[:22], 1]) == 22
    assert len(reader) == 22
    assert reader.keep([*prompt[:20], *atoms(sound(5))]) == 20, "sound that was encoded anew is another sound"


def test_a_fork_and_its_parent_do_not_disturb_each_other(model: PreTrainedModel) -> None:
    prompt = atoms(25, sound(10))
    parent = Reader(model)
    read(parent, prompt)
    child = parent.fork()
    for other in (1, 2):
        there, here = [*prompt, *[other] * 12], [*prompt[:30], *[other + 2] * 5]
        assert_same(read(child, there), fresh(model, there))
        assert_same(read(parent, here), fresh(model, here))
    grandchild = child.fork()
    assert_same(read(grandchild, prompt), fresh(model, prompt))
    assert_same(read(child, there), fresh(model, there))


def test_two_readers_of_one_model_do_not_disturb_each_other(model: PreTrainedModel) -> None:
    one, other = Reader(model), Reader(model)
    first, second = atoms(12), atoms(9, sound(6))
    for turn in range(4):
        first, second = [*first, turn, turn + 1], [*second, turn + 5]
        assert_same(read(one, first), fresh(model, first))
        assert_same(read(other, second), fresh(model, second))


def test_chunks_are_of_words_or_of_sound_and_not_too_long() -> None:
    prompt = atoms(CHUNK + 10, sound(5), 3)
    at, lengths = 0, []
    while at < len(prompt):
        part = chunk(prompt, at)
        assert len({isinstance(atom, int) for atom in part}) == 1
        lengths.append(len(part))
        at += len(part)
    assert lengths == [CHUNK, 10, 5, 3]


def test_a_model_that_can_not_go_back_is_refused_by_name() -> None:
    check_rewindable(qwen())
    check_rewindable(gemma())
    config = Lfm2Config(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        layer_types=["conv", "full_attention"],
    )
    with pytest.raises(DecoderError, match=r"Lfm2ForCausalLM has layers that can't go back .*LinearAttentionLayer"):
        check_rewindable(Lfm2ForCausalLM(config))


AUDIO = {
    "d_model": 32,
    "encoder_layers": 2,
    "encoder_attention_heads": 4,
    "encoder_ffn_dim": 64,
    "max_source_positions": 1500,
}
TEXT = {
    "vocab_size": 200,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
SOUND_TOKEN = 150


def qwen25_omni() -> tuple[PreTrainedModel, Encoder]:
    rope = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [2, 1, 1]}
    vision = {"depth": 1, "hidden_size": 32, "intermediate_size": 32, "num_heads": 2, "out_hidden_size": 32}
    config = Qwen2_5OmniThinkerConfig(
        audio_config={**AUDIO, "output_dim": 32},
        vision_config={**vision, "fullatt_block_indexes": [0]},
        text_config={**TEXT, "rope_parameters": rope},
        audio_token_index=SOUND_TOKEN,
        image_token_index=151,
        video_token_index=152,
    )
    config.vision_start_token_id = 153
    model = Qwen2_5OmniThinkerForConditionalGeneration(config).train(False)
    randomized(model)
    return model, Qwen25Omni(model.model.audio_tower, made(WhisperFeatureExtractor, feature_size=128))


def qwen2_audio() -> tuple[PreTrainedModel, Encoder]:
    config = Qwen2AudioConfig(audio_config=AUDIO, text_config=TEXT, audio_token_index=SOUND_TOKEN)
    model = Qwen2AudioForConditionalGeneration(config).train(False)
    randomized(model)
    extractor = made(WhisperFeatureExtractor, feature_size=128)
    return model, Qwen2Audio(model.model.audio_tower, model.model.multi_modal_projector, extractor)


@pytest.mark.parametrize("make", [qwen25_omni, qwen2_audio])
def test_a_spoken_question_gives_the_logits_of_the_whole_model(
    make: Callable[[], tuple[PreTrainedModel, Encoder]],
) -> None:
    """Encoder, projector and decoder, streamed, against transformers' forward pass over words and sound at once; and
    again in a second conversation, for these models keep an offset of positions from the first."""
    model, encoder = make()
    extractor = made(WhisperFeatureExtractor, feature_size=128)
    for seed, samples in ((0, 70_000), (1, 41_234)):
        pcm = np.random.default_rng(seed).standard_normal(samples).astype(np.float32) * 0.1
        stream = encoder.open()
        reader = Reader(model)
        for at in range(0, samples, 4000):
            heard = stream.push(pcm[at : at + 4000])
            read(reader, [*range(10), *atoms(*heard.sound)])
        spoken = atoms(*stream.finish().sound)
        logits = read(reader, [*range(10), *spoken, *range(20, 25)])
        seen = extractor(pcm, sampling_rate=16_000, return_attention_mask=True, return_tensors="pt")
        words = torch.tensor([[*range(10), *[SOUND_TOKEN] * len(spoken), *range(20, 25)]])
        with torch.inference_mode():
            expected = model(
                input_ids=words,
                input_features=seen.input_features,
                feature_attention_mask=seen.attention_mask,
                attention_mask=torch.ones_like(words),
            ).logits[0, -1]
        assert_same(logits, expected)
