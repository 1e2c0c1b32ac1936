"""Reads what `torch.save` wrote before PyTorch 1.6, without PyTorch, which takes 2 s and 200 MB to import."""

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

_PROLOGUE = 3
"""Objects before the content: a magic number, the version of the format, and the sizes of integers."""
_TYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}
_COUNT_BYTES = 8


class _Unpickler(pickle.Unpickler):
    """Builds arrays that are filled later: the numbers follow the objects. Calls nothing that the file names."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.storages: dict[str, NDArray[Any]] = {}

    def persistent_load(self, pid: tuple[str, np.dtype[Any], str, str, int, object]) -> NDArray[Any]:
        _, dtype, key, _, numbers, _ = pid
        return self.storages.setdefault(key, np.zeros(numbers, dtype))

    def find_class(self, module: str, name: str) -> object:
        if module == "torch" and name in _TYPES:
            return _TYPES[name]
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a file of weights")


def _tensor(
    storage: NDArray[Any], offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object
) -> NDArray[Any]:
    return as_strided(storage[offset:], shape, [stride * storage.itemsize for stride in strides], writeable=False)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The saved dictionary, its tensors as arrays of float32 or int64.

    Raises `pickle.UnpicklingError` if it contains anything but containers, numbers, strings and tensors.
    """
    with path.open("rb") as file:
        for _ in range(_PROLOGUE):
            _Unpickler(file).load()
        unpickler = _Unpickler(file)
        content: dict[str, Any] = unpickler.load()
        for key in _Unpickler(file).load():
            storage = unpickler.storages[key]
            file.read(_COUNT_BYTES)
            storage[:] = np.frombuffer(file.read(storage.nbytes), storage.dtype)
    return content
