"""tts/engines/coqui_server.py with a model that reports each of its steps, one per line, to the port LEADER.

It generates an XTTS token for each byte that it receives.
"""

import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

import torch
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from TTS.tts.layers.xtts.tokenizer import VoiceBpeTokenizer

from tts.engines.coqui_server import main

leader = socket.create_connection(("127.0.0.1", int(os.environ["LEADER"])))
encode = VoiceBpeTokenizer.encode


def report(step: str) -> None:
    leader.sendall(f"{step}\n".encode())


def text(tokenizer: VoiceBpeTokenizer, words: str, lang: str) -> Sequence[int]:
    report(f"text {lang}")
    tokens: Sequence[int] = encode(tokenizer, words, lang)
    return tokens


def before(module: torch.nn.Module, inputs: object) -> None:
    match type(module).__name__:
        case "GPT2InferenceModel":
            report("token")
            leader.recv(1)
        case "ConditioningEncoder":
            report("recording")


def after(module: torch.nn.Module, inputs: object, output: torch.Tensor) -> None:
    if type(module).__name__ == "HifiganGenerator":
        report(f"sound {output.shape[-1]}")


VoiceBpeTokenizer.encode = text
register_module_forward_pre_hook(before)
register_module_forward_hook(after)
main()
