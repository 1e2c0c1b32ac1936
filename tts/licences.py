"""Terms of weights that others publish and fetch, told before their packages are loaded."""

from pathlib import Path

POCKET = "CC-BY-4.0"
XTTS = "Coqui Public Model Licence (CPML), which forbids commercial use of the model and of what it says"


def licence_of(backend: str, model: str) -> str:
    """Of the weights of a synthesizer backend's model, as far as it is known; "" where it is not, as of a folder."""
    if backend == "pocket" and not model.endswith(".yaml"):
        return POCKET
    if backend == "xtts" and "xtts" in model and not Path(model).is_dir():
        return XTTS
    return ""
