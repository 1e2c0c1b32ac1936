"""Licences of weights that third-party packages download, known without loading those packages."""

from pathlib import Path

POCKET = "CC-BY-4.0"
XTTS = "Coqui Public Model Licence (CPML), which forbids commercial use of the model and of its output"
NO_COMMERCE = "CC BY-NC-ND 4.0, which forbids commercial use"
_COQUI = {"xtts": XTTS, "your_tts": NO_COMMERCE, "vctk/fast_pitch": NO_COMMERCE}
"""Licences of the models in coqui-tts's catalogue that are not free, by a part of the model's name."""


def licence_of(backend: str, model: str) -> str:
    """Licence of the weights that the synthesizer `backend` loads as `model`; "" if unknown, as for a local folder."""
    if backend == "pocket" and not model.endswith(".yaml"):
        return POCKET
    if backend == "xtts" and not Path(model).is_dir():
        return next((licence for name, licence in _COQUI.items() if name in model), "")
    return ""
