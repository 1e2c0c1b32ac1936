"""tts/xtts_server.py, whose model tells what it does at the port LEADER, a line for each step. It makes a token of XTTS
only when it is sent a byte.
"""

import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import torch
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from TTS.tts.layers.xtts.tokenizer import VoiceBpeTokenizer

from tts.xtts_server import main

leader = socket.create_connection(("127.0.0.1", int(os.environ["LEADER"])))
encode = VoiceBpeTokenizer.encode


def tell(step: str) -> None:
    leader.sendall(f"{step}\n".encode())


def text(tokenizer: VoiceBpeTokenizer, words: str, lang: str) -> Sequence[int]:
    tell(f"text {lang}")
    tokens: Sequence[int] = encode(tokenizer, words, lang)
    return tokens


def before(module: torch.nn.Module, inputs: object) -> None:
    match type(module).__name__:
        case "GPT2InferenceModel":
            tell("token")
            leader.recv(1)
        case "ConditioningEncoder":
            tell("recording")


def after(module: torch.nn.Module, inputs: object, output: torch.Tensor) -> None:
    if type(module).__name__ == "HifiganGenerator":
        tell(f"sound {output.shape[-1]}")


VoiceBpeTokenizer.encode = text
register_module_forward_pre_hook(before)
register_module_forward_hook(after)
main()
