"""Terms of weights that others publish and fetch, told before their packages are loaded."""

from pathlib import Path

POCKET = "CC-BY-4.0"
XTTS = "Coqui Public Model Licence (CPML), which forbids commercial use of the model and of what it says"
NO_COMMERCE = "CC BY-NC-ND 4.0, which forbids commercial use"
_COQUI = {"xtts": XTTS, "your_tts": NO_COMMERCE, "vctk/fast_pitch": NO_COMMERCE}
"""Models of coqui-tts's catalogue that are not free, by a part of the name."""


def licence_of(backend: str, model: str) -> str:
    """Of the weights of a synthesizer backend's model, as far as it is known; "" where it is not, as of a folder."""
    if backend == "pocket" and not model.endswith(".yaml"):
        return POCKET
    if backend == "xtts" and not Path(model).is_dir():
        return next((licence for name, licence in _COQUI.items() if name in model), "")
    return ""
