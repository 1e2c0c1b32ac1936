"""A Pocket TTS model with random weights."""

import json
from pathlib import Path

import numpy as np
import soundfile
import torch
from tokenizers import Tokenizer, models, pre_tokenizers

from tts.engines.pocket import PocketSynthesizer

RATE = 24_000


LETTERS = " abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,!?'"


SEANET = {
    **{"dimension": 16, "channels": 1, "n_filters": 4, "n_residual_layers": 1, "ratios": [6, 5, 4], "kernel_size": 7},
    **{"residual_kernel_size": 3, "last_kernel_size": 3, "dilation_base": 2, "pad_mode": "constant", "compress": 2},
}


TRANSFORMER = {
    **{"d_model": 16, "num_heads": 2, "num_layers": 1, "layer_scale": 0.01, "context": 50, "dim_feedforward": 32},
    **{"input_dimension": 16, "output_dimensions": [16]},
}


def small_pocket(folder: Path) -> PocketSynthesizer:
    """A model whose weights are random, with the voice of a recording and one that can't be had."""
    vocabulary = {"<unk>": 0, **{letter: i for i, letter in enumerate(LETTERS, 1)}}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.save(str(folder / "tokenizer.json"))
    table = {"dim": 16, "n_bins": len(vocabulary), "tokenizer": "json"}
    speech_model = {
        "dtype": "float32",
        "flow": {"depth": 1, "dim": 16, "type": "pointwise"},
        "transformer": {"d_model": 16, "hidden_scale": 2, "max_period": 10000, "num_heads": 2, "num_layers": 1},
        "lookup_table": table | {"tokenizer_path": str(folder / "tokenizer.json")},
    }
    codec = {
        **{"dtype": "float32", "sample_rate": RATE, "channels": 1, "frame_rate": 12.5},
        **{"seanet": SEANET, "transformer": TRANSFORMER, "quantizer": {"dimension": 8, "output_dimension": 16}},
    }
    # A random model seldom says that it is done: with this threshold never, up to the longest that the text may take.
    config = {"flow_lm": speech_model, "mimi": codec, "default_eos_threshold": 1e9}
    (folder / "small.yaml").write_text(json.dumps(config))
    recording = folder / "ann.wav"
    soundfile.write(recording, np.random.default_rng(0).normal(scale=0.1, size=2 * 16_000), 16_000)
    torch.manual_seed(0)
    return PocketSynthesizer.load(str(folder / "small.yaml"), [str(recording), "nobody"])
