"""Large pages: what is moved into them stays what it was."""

import ctypes
import mmap

from pipeline.decoders.llama_cpp.huge_pages import _large_buffers, use_large_pages


def test_large_buffers_are_found_and_keep_what_they_hold() -> None:
    with mmap.mmap(-1, 96 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as buffer:
        for at in range(0, len(buffer), 1 << 20):
            buffer[at : at + 4] = at.to_bytes(4, "little")
        view = ctypes.c_char.from_buffer(buffer)
        address = ctypes.addressof(view)
        del view
        assert any(start <= address and address + len(buffer) <= end for start, end in _large_buffers())
        assert use_large_pages() % (2 << 20) == 0
        assert all(buffer[at : at + 4] == at.to_bytes(4, "little") for at in range(0, len(buffer), 1 << 20))
