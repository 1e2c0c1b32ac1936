"""The speaker encoder with its real weights: PyTorch computes the same, and voices are known again."""

from pathlib import Path

import numpy as np
import torch

from pipeline.listening.caller.speaker_encoder import Ge2eEncoder
from pipeline.weights.store import ModelStore
from tests.support.speech import recordings


def weights() -> Path:
    return ModelStore().resolve("ge2e-speaker")


def test_a_voice_is_nearest_to_itself() -> None:
    encoder, said = Ge2eEncoder(weights()), recordings()
    sky, sky_again, fable, fable_again = (
        encoder.embed(said[name].pcm()) for name in ("turn_06", "turn_14", "turn_04", "turn_12")
    )
    assert min(sky @ sky_again, fable @ fable_again) > 0.75
    assert max(sky @ fable, sky @ fable_again, sky_again @ fable, sky_again @ fable_again) < 0.65


def test_pytorch_computes_the_same() -> None:
    encoder = Ge2eEncoder(weights())
    state = torch.load(weights(), map_location="cpu", weights_only=True)["model_state"]
    lstm = torch.nn.LSTM(40, 256, 3, batch_first=True)
    linear = torch.nn.Linear(256, 256)
    for module, prefix in ((lstm, "lstm."), (linear, "linear.")):
        module.load_state_dict({name.removeprefix(prefix): of for name, of in state.items() if name.startswith(prefix)})
    pcm = recordings()["turn_04"].pcm()[8000 : 8000 + 159 * 160]
    mels = torch.from_numpy(encoder.mels(pcm))[np.newaxis]
    with torch.no_grad():
        _, (hidden, _) = lstm(mels)
        expected = torch.nn.functional.normalize(torch.relu(linear(hidden[-1]))[0], dim=0).numpy()
    np.testing.assert_allclose(encoder.embed(pcm), expected, atol=1e-5)
