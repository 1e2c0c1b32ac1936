"""A KV cache that is read on, gone back in and forked, against reading everything anew."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    DynamicCache,
    Lfm2Config,
    Lfm2ForCausalLM,
    PreTrainedModel,
    Qwen2AudioConfig,
    Qwen3ASRConfig,
    Qwen3ASRFeatureExtractor,
    Qwen3ASRForConditionalGeneration,
    VoxtralRealtimeConfig,
    VoxtralRealtimeFeatureExtractor,
    VoxtralRealtimeForConditionalGeneration,
    WhisperFeatureExtractor,
)
from transformers.cache_utils import DynamicLayer
from transformers.models.qwen2_5_omni.configuration_qwen2_5_omni import Qwen2_5OmniThinkerConfig
from transformers.models.qwen2_5_omni.modeling_qwen2_5_omni import Qwen2_5OmniThinkerForConditionalGeneration
from transformers.models.qwen2_audio.modeling_qwen2_audio import Qwen2AudioForConditionalGeneration

from audio.pcm import INPUT_RATE, Pcm
from pipeline.decoders.decoder import DecoderError
from pipeline.decoders.torch_models.kv_reader import CHUNK, Atom, KvReader, check_exact, check_rewindable, chunks
from pipeline.encoders.audio_units import AudioUnit, Embeddings
from pipeline.encoders.embedding.qwen_audio import StreamingQwen2Audio
from pipeline.encoders.embedding.qwen_omni import StreamingQwen3Asr, StreamingQwen25Omni
from pipeline.encoders.embedding.voxtral import StreamingVoxtral
from pipeline.encoders.encoder import Encoder
from tests.support.small_models import EXACT, VOCABULARY, WIDTH, gemma, llama, phi, qwen
from tests.support.towers import made, randomized

MODELS = {"full attention": qwen, "sliding windows": gemma}
TOLERANCE = 1e-4


@pytest.fixture(params=list(MODELS), scope="module")
def model(request: pytest.FixtureRequest) -> PreTrainedModel:
    return MODELS[request.param]()


def sound(length: int, seed: int = 0) -> Embeddings:
    return Embeddings(torch.randn(length, WIDTH, generator=torch.Generator().manual_seed(seed)))


def atoms(*parts: int | AudioUnit) -> list[Atom]:
    """So many tokens, always the same ones in the same places, and sounds between them."""
    found: list[Atom] = []
    for part in parts:
        if isinstance(part, Embeddings):
            found += [(part, index) for index in range(len(part))]
        else:
            assert isinstance(part, int)
            found += [(7 * (len(found) + index) + 3) % VOCABULARY for index in range(part)]
    return found


def read(reader: KvReader, prompt: Sequence[Atom]) -> torch.Tensor:
    logits = torch.empty(0)
    for part in chunks(prompt, reader.keep(prompt)):
        logits = reader.read(part)
    return logits


def fresh(model: PreTrainedModel, prompt: Sequence[Atom]) -> torch.Tensor:
    """All of it in one forward pass, without a cache."""
    with torch.inference_mode():
        words = torch.tensor([[atom if isinstance(atom, int) else 0 for atom in prompt]])
        vectors = model.get_input_embeddings()(words)[0].clone()
        for at, atom in enumerate(prompt):
            if not isinstance(atom, int):
                vectors[at] = atom[0].vectors[atom[1]]
        logits: torch.Tensor = model(inputs_embeds=vectors[None], use_cache=False).logits[0, -1]
        return logits


def assert_same(found: torch.Tensor, expected: torch.Tensor) -> None:
    assert expected.std() > 0.1  # or there would be nothing to compare
    assert float((found - expected).abs().max()) < TOLERANCE


PROMPTS = st.lists(st.integers(1, 30) | st.builds(sound, st.integers(1, 20), st.integers(0, 3)), min_size=1, max_size=5)


@settings(max_examples=25)
@given(prompts=st.lists(PROMPTS, min_size=1, max_size=6), kept=st.lists(st.integers(0, 60), min_size=6, max_size=6))
def test_whatever_was_read_before_the_logits_are_those_of_a_fresh_prompt(
    model: PreTrainedModel, prompts: list[list[int | Embeddings]], kept: list[int]
) -> None:
    """Random prompts that share beginnings of random lengths: reading on, and going back, within windows and beyond."""
    reader = KvReader(model)
    before: list[Atom] = []
    for parts, keep in zip(prompts, kept, strict=False):
        prompt = [*before[:keep], *atoms(*parts)]
        assert_same(read(reader, prompt), fresh(model, prompt))
        before = prompt


def test_token_by_token_is_the_same_as_in_chunks(model: PreTrainedModel) -> None:
    prompt = atoms(40, sound(20), 10)
    reader = KvReader(model)
    for atom in prompt:
        logits = reader.read([atom])
    assert_same(logits, fresh(model, prompt))


def test_only_what_is_new_is_read(model: PreTrainedModel) -> None:
    reader = KvReader(model)
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
    parent = KvReader(model)
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
    one, other = KvReader(model), KvReader(model)
    first, second = atoms(12), atoms(9, sound(6))
    for turn in range(4):
        first, second = [*first, turn, turn + 1], [*second, turn + 5]
        assert_same(read(one, first), fresh(model, first))
        assert_same(read(other, second), fresh(model, second))


def test_the_cache_grows_with_what_was_read_and_no_faster(model: PreTrainedModel) -> None:
    """Token by token, in chunks, and gone back in: so many numbers an atom, neither more nor, where a window slides,
    fewer."""
    reader = KvReader(model)
    read(reader, atoms(1))
    of_an_atom = held(reader)
    assert of_an_atom > 0
    prompt = atoms(30, sound(40), 130, sound(50))
    for end in (20, 70, 71, 72, 250, 40):
        read(reader, prompt[:end])
        assert held(reader) == end * of_an_atom


def held(reader: KvReader) -> int:
    """Numbers that its cache keeps in memory."""
    layers = [layer for layer in reader.cache.layers if isinstance(layer, DynamicLayer)]
    kept = (tensor for layer in layers for tensor in (layer.keys, layer.values) if tensor is not None)
    return sum(tensor.untyped_storage().nbytes() // tensor.element_size() for tensor in kept)


def test_chunks_are_of_words_or_of_sound_and_not_too_long() -> None:
    prompt = atoms(CHUNK + 10, sound(5), 3)
    lengths = []
    for part in chunks(prompt, 0):
        assert len({isinstance(atom, int) for atom in part}) == 1
        lengths.append(len(part))
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
    with pytest.raises(DecoderError, match=r"Lfm2ForCausalLM has layers that can't be rewound .*LinearAttentionLayer"):
        check_rewindable(Lfm2ForCausalLM(config))


@pytest.mark.parametrize(
    ("build", "said"),
    [(phi, r"Phi3ForCausalLM \(rope_type longrope\)"), (llama, r"LlamaForCausalLM \(rope_type dynamic\)")],
)
def test_a_context_in_which_positions_would_change_is_refused(build: Callable[[], PreTrainedModel], said: str) -> None:
    check_exact(build(), EXACT)
    with pytest.raises(DecoderError, match=f"{said} .* set decoder.context_tokens to at most {EXACT}"):
        check_exact(build(), EXACT + 1)


def test_one_kind_of_layer_is_enough_to_refuse_it() -> None:
    check_exact(gemma(), 100_000)
    model = copy.deepcopy(gemma())
    model.config.max_position_embeddings = EXACT
    model.config.rope_parameters["full_attention"] = {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 4.0}
    with pytest.raises(DecoderError, match="rope_type dynamic"):
        check_exact(model, EXACT + 1)


AUDIO = {"d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 4, "encoder_ffn_dim": 64}
TEXT = {
    "vocab_size": 200,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
SOUND_TOKEN = 150


@dataclass(frozen=True)
class Hearer:
    """A model and its encoder. `prepared`: a whole sound as the model's processor hands it on."""

    model: PreTrainedModel
    encoder: Encoder
    prepared: Callable[[Pcm], dict[str, torch.Tensor]]


def qwen25_omni() -> Hearer:
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
    extractor = made(WhisperFeatureExtractor, feature_size=128)
    return Hearer(model, StreamingQwen25Omni(model.model.audio_tower, extractor), padded(extractor))


def qwen2_audio() -> Hearer:
    audio = {**AUDIO, "max_source_positions": 1500}
    config = Qwen2AudioConfig(audio_config=audio, text_config=TEXT, audio_token_index=SOUND_TOKEN)
    model = Qwen2AudioForConditionalGeneration(config).train(False)
    randomized(model)
    extractor = made(WhisperFeatureExtractor, feature_size=128)
    ear = StreamingQwen2Audio(model.model.audio_tower, model.model.multi_modal_projector, extractor)
    return Hearer(model, ear, padded(extractor))


def qwen3_asr() -> Hearer:
    audio = {**AUDIO, "output_dim": 32, "downsample_hidden_size": 8, "n_window": 50, "n_window_infer": 200}
    config = Qwen3ASRConfig(audio_config=audio, text_config={**TEXT, "head_dim": 8}, audio_token_id=SOUND_TOKEN)
    model = Qwen3ASRForConditionalGeneration(config).train(False)
    randomized(model)
    extractor = made(Qwen3ASRFeatureExtractor)

    def prepared(pcm: Pcm) -> dict[str, torch.Tensor]:
        seen = extractor(pcm, sampling_rate=INPUT_RATE, padding="longest", return_attention_mask=True)
        return {"input_features": seen.input_features, "input_features_mask": seen.attention_mask}

    ear = StreamingQwen3Asr(model.model.audio_tower, model.model.multi_modal_projector, extractor)
    return Hearer(model, ear, prepared)


def padded(extractor: Callable[..., Any]) -> Callable[[Pcm], dict[str, torch.Tensor]]:
    def prepared(pcm: Pcm) -> dict[str, torch.Tensor]:
        seen = extractor(pcm, sampling_rate=INPUT_RATE, return_attention_mask=True, return_tensors="pt")
        return {"input_features": seen.input_features, "feature_attention_mask": seen.attention_mask}

    return prepared


BEFORE, BEHIND = range(10), range(20, 25)


@pytest.mark.parametrize("make", [qwen25_omni, qwen2_audio, qwen3_asr])
def test_a_spoken_question_gives_the_logits_of_the_whole_model(make: Callable[[], Hearer]) -> None:
    """Encoder, projector and decoder, streamed, against transformers' forward pass over words and sound at once; and
    again in a second conversation, for some of these models keep an offset of positions from the first.

    In the middle there is a pause, at which an answer is begun: it is taken back as far as the sound was not certain.
    """
    hearer = make()
    for seed, samples in ((0, 70_000), (1, 41_234)):
        pcm = np.random.default_rng(seed).standard_normal(samples).astype(np.float32) * 0.1
        pcm[:400] = 1.0  # the loudest moment, after which nothing committed changes
        stream, reader = hearer.encoder.open(), KvReader(hearer.model)
        for at in range(0, samples, 4000):
            certain = atoms(*stream.push(pcm[at : at + 4000]).units)
            read(reader, [*BEFORE, *certain])
            if at == 36_000:
                read(reader, [*BEFORE, *atoms(*stream.finish().units), *BEHIND])
                assert len(reader) > len(BEFORE) + len(certain) + len(BEHIND)
                assert reader.keep([*BEFORE, *certain, 99]) == len(BEFORE) + len(certain)
        spoken = atoms(*stream.finish().units)
        logits = read(reader, [*BEFORE, *spoken, *BEHIND])
        words = torch.tensor([[*BEFORE, *[SOUND_TOKEN] * len(spoken), *BEHIND]])
        with torch.inference_mode():
            whole = hearer.model(input_ids=words, attention_mask=torch.ones_like(words), **hearer.prepared(pcm))
        assert_same(logits, whole.logits[0, -1])


def test_voxtral_writes_along_as_if_it_had_heard_all_at_once() -> None:
    """Its decoder adds a vector of sound to each token that it reads, and takes the delay as a condition: it keeps
    pace with the encoder's stream, through a cache, against a forward pass over the whole sound."""
    audio = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "head_dim": 8,
        "sliding_window": 20,
    }
    text = {**TEXT, "head_dim": 8, "sliding_window": 16}
    model = VoxtralRealtimeForConditionalGeneration(VoxtralRealtimeConfig(audio_config=audio, text_config=text))
    randomized(model.train(False))
    extractor = made(VoxtralRealtimeFeatureExtractor)
    stream, cache = StreamingVoxtral(model.model, extractor).open(), DynamicCache()
    pcm = np.random.default_rng(3).standard_normal(50 * 1280).astype(np.float32) * 0.1
    tokens = torch.arange(len(pcm) // 1280) % 50

    def read_on(sound: Sequence[AudioUnit], past: DynamicCache) -> torch.Tensor:
        vectors = torch.cat([part.vectors for part in sound if isinstance(part, Embeddings)])
        known = past.get_seq_length()
        seen = model.get_input_embeddings()(tokens[known : len(vectors)]) + vectors[known:]
        delay = model.model.time_embedding(torch.full((1,), 6.0))[None]
        hidden = model.model.language_model(inputs_embeds=seen[None], past_key_values=past, t_cond=delay)
        logits: torch.Tensor = model.lm_head(hidden.last_hidden_state)[0]
        return logits

    with torch.inference_mode():
        found = [read_on(stream.push(pcm[at : at + 4000]).units, cache) for at in range(0, len(pcm), 4000)]
        found.append(read_on(stream.finish().units, cache))
        features = extractor(np.pad(pcm, (0, 1280)), sampling_rate=INPUT_RATE).input_features
        whole = torch.nn.functional.pad(tokens, (0, 1))[None]
        expected = model(input_ids=whole, input_features=features, num_delay_tokens=6).logits[0, : len(tokens)]
    assert_same(torch.cat(found), expected)
