"""The command `config`: the settings file that documents every setting."""

from importlib.resources import files
from pathlib import Path

_CHECKOUT = Path(__file__).parents[2] / "config.toml"


def config_file() -> str:
    """The text of config.toml. A wheel carries it in this package; a checkout has it at its root."""
    packed = files("realtime").joinpath("config.toml")
    return packed.read_text(encoding="utf-8") if packed.is_file() else _CHECKOUT.read_text(encoding="utf-8")
