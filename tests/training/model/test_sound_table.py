"""Recordings read by id are what the agent's own encoder and adaptor make of them."""

import torch
from torch import nn

from audio.pcm import INPUT_RATE
from pipeline.decoders.torch_models.step_audio import StepAudioConfig, StepAudioModules
from pipeline.encoders.audio_units import Embeddings
from tests.support.speech import recordings
from tests.support.towers import randomized
from training.model.sound_table import Hearing, SoundEmbedding, rows_of

TEXT = {
    "vocab_size": 50,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10_000.0,
}
AUDIO = {"n_mels": 128, "n_audio_ctx": 1500, "n_audio_state": 16, "n_audio_head": 4, "n_audio_layer": 2}


def test_rows_give_the_embeddings_that_the_agent_reads() -> None:
    modules = StepAudioModules(StepAudioConfig.of(TEXT, AUDIO))
    randomized(modules)
    words = modules.decoder.get_input_embeddings()
    assert isinstance(words, nn.Embedding)
    embedding = SoundEmbedding(words, modules.adaptor)
    for name in ("turn_02", "turn_06"):
        pcm = recordings()[name].pcm(INPUT_RATE)
        ids = embedding.add(rows_of(Hearing(modules).vectors(pcm)))
        stream = modules.audio_encoder().open()
        stream.push(pcm)
        (heard,) = stream.finish().units
        assert isinstance(heard, Embeddings)
        read = embedding(torch.tensor([[3, *ids, 4]]))[0]
        torch.testing.assert_close(read[1:-1], torch.as_tensor(heard.vectors))
        assert torch.equal(read[0], words.weight[3])
        assert torch.equal(read[-1], words.weight[4])
