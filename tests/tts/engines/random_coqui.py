"""Writes small models of coqui-tts's own classes with random weights, in the folder layout of coqui-tts.

Run as a script by the interpreter that has coqui-tts. Its argument is the folder in which to create xtts and vits.
"""

import math
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, models
from TTS.tts.configs.vits_config import VitsArgs, VitsConfig
from TTS.tts.configs.xtts_config import XttsArgs, XttsConfig
from TTS.tts.models.vits import Vits
from TTS.tts.models.xtts import Xtts

SPECIAL = ["[STOP]", "[UNK]", "[SPACE]", "[START]", "[en]", "[de]"]
LETTERS = "abcdefghijklmnopqrstuvwxyzäöüß.,!?'"
CHANNELS = 64
CODES = 64
MOST_TOKENS = 60
FRAMES = 8.0
"""Frames per letter of VITS."""


def xtts(folder: Path) -> None:
    vocabulary = {token: i for i, token in enumerate([*SPECIAL, *LETTERS])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="[UNK]"))
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.save(str(folder / "vocab.json"))
    sizes = XttsArgs(
        gpt_layers=1,
        gpt_n_model_channels=CHANNELS,
        gpt_n_heads=2,
        gpt_max_audio_tokens=MOST_TOKENS,
        gpt_max_text_tokens=100,
        gpt_num_audio_tokens=CODES + 2,
        gpt_start_audio_token=CODES,
        gpt_stop_audio_token=CODES + 1,
        gpt_number_text_tokens=len(vocabulary),
        gpt_start_text_token=vocabulary["[START]"],
        gpt_stop_text_token=vocabulary["[STOP]"],
        gpt_use_perceiver_resampler=True,
        # A quarter of the published model's value: 12 ms of audio per token.
        gpt_code_stride_len=256,
        decoder_input_dim=CHANNELS,
    )
    config = XttsConfig(model_args=sizes)
    model = Xtts(config)
    # A random model would stop anywhere, so it is made to run up to its limit.
    torch.nn.init.constant_(model.gpt.mel_head.bias[CODES + 1 :], -1e9)
    save(model, config, folder)
    ann = {"gpt_cond_latent": torch.randn(1, 32, CHANNELS), "speaker_embedding": torch.randn(1, sizes.d_vector_dim, 1)}
    torch.save({"Ann": ann}, folder / "speakers_xtts.pth")


def vits(folder: Path) -> None:
    sizes = VitsArgs(
        hidden_channels=16,
        hidden_channels_ffn_text_encoder=32,
        num_layers_text_encoder=1,
        num_layers_flow=1,
        num_layers_posterior_encoder=1,
        upsample_initial_channel_decoder=32,
        use_sdp=False,
        init_discriminator=False,
        use_speaker_embedding=True,
        speaker_embedding_channels=8,
    )
    config = VitsConfig(model_args=sizes, speakers=["Ann", "Bob"], use_phonemes=False, text_cleaner="basic_cleaners")
    model = Vits(config)
    torch.nn.init.constant_(model.duration_predictor.proj.bias, math.log(FRAMES))
    save(model, config, folder)


def save(model: Xtts | Vits, config: XttsConfig | VitsConfig, folder: Path) -> None:
    config.save_json(str(folder / "config.json"))
    torch.save({"model": model.state_dict()}, folder / "model.pth")


torch.manual_seed(0)
for make in (xtts, vits):
    folder = Path(sys.argv[1], make.__name__)
    folder.mkdir()
    with torch.no_grad():
        make(folder)
