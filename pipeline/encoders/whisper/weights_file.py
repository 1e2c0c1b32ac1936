"""Reads the weights of a CTranslate2 model, so that another runtime can use the same ones.

Source of the format: ModelSpec._serialize in https://github.com/OpenNMT/CTranslate2/blob/master/python/ctranslate2/specs/model_spec.py
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_VERSION = 6
_TYPES = (np.float32, np.int8, np.int16, np.int32, np.float16)
"""By the number that stands for a type. The next number, bfloat16, has no type in numpy."""


class WeightsFile:
    """The variables of a model.bin, mapped into memory: what is not used is not read.

    Raises `ValueError` for another version of the format, and for weights in bfloat16.
    """

    def __init__(self, path: Path) -> None:
        self._bytes = np.memmap(path, np.uint8, "r").data
        self._at = 0
        (version,) = self._take("I")
        if version != _VERSION:
            raise ValueError(f"{path} is of version {version} of CTranslate2's format, and not {_VERSION}")
        self._string()  # the name of the model's kind
        self._take("I")
        (count,) = self._take("I")
        self._variables: dict[str, NDArray[Any]] = {}
        for _ in range(count):
            name = self._string()
            (rank,) = self._take("B")
            shape = self._take(f"{rank}I")
            kind, size = self._take("=BI")
            if kind >= len(_TYPES):
                raise ValueError(f"{path} holds weights in bfloat16; convert the model to float16")
            self._variables[name] = np.ndarray(shape, _TYPES[kind], self._bytes, self._at)
            assert size == prod(shape) * self._variables[name].itemsize
            self._at += size

    @property
    def variables(self) -> Mapping[str, NDArray[Any]]:
        """All variables by name, as they are stored."""
        return self._variables

    def number(self, name: str) -> int:
        """A setting of the model."""
        return int(self._variables[name])

    def floats(self, name: str) -> NDArray[np.float32]:
        """A variable in float32, whatever it is stored as."""
        return self.rows(name)(slice(None))

    def rows(self, name: str) -> Callable[[Sequence[int] | slice], NDArray[np.float32]]:
        """Reads rows of a variable, in float32."""
        stored, scales = self._variables[name], self._variables.get(f"{name}_scale")

        def read(rows: Sequence[int] | slice) -> NDArray[np.float32]:
            at = rows if isinstance(rows, slice) else list(rows)
            values: NDArray[np.float32] = stored[at].astype(np.float32)
            # Each row of an int8 weight has a scale of its own.
            return values if scales is None else values / scales[at].astype(np.float32)[:, None]

        return read

    def _take(self, form: str) -> tuple[Any, ...]:
        form = form if form.startswith("=") else f"={form}"
        values = struct.unpack_from(form, self._bytes, self._at)
        self._at += struct.calcsize(form)
        return values

    def _string(self) -> str:
        (length,) = self._take("H")
        text = bytes(self._bytes[self._at : self._at + length - 1]).decode()
        self._at += length
        return text
