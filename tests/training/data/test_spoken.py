"""A sentence at another speed takes as long as it should, and is as high as before."""

import numpy as np
import pytest

from audio.pcm import INPUT_RATE
from training.data.effects import stretched


@pytest.mark.parametrize("speed", [0.65, 0.75, 1.3, 1.55])
def test_stretching_changes_the_length_and_not_the_pitch(speed: float) -> None:
    tone = np.sin(2 * np.pi * 220 * np.arange(2 * INPUT_RATE) / INPUT_RATE).astype(np.float32)
    made = stretched(tone, speed)
    assert len(made) == pytest.approx(len(tone) / speed, rel=0.02)
    assert np.argmax(np.abs(np.fft.rfft(made))) * INPUT_RATE / len(made) == pytest.approx(220, rel=0.01)
