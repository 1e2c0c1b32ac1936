"""Large pages for the weights of a model: with small ones, a seventh of a token's time goes into looking them up."""

import ctypes
import logging
from collections.abc import Iterator
from mmap import PAGESIZE
from pathlib import Path

log = logging.getLogger(__name__)

_MAPS = Path("/proc/self/maps")
_PAGE = 2 << 20
"""Bytes of a large page."""
_LEAST = 64 << 20
"""Bytes of memory that is worth it: no buffer of ours but weights is as large."""
_MADV_HUGEPAGE, _MADV_COLLAPSE = 14, 25
"""Ask for large pages; move what is there into them now. Source: https://man7.org/linux/man-pages/man2/madvise.2.html"""


def use_large_pages() -> int:
    """Move the large buffers of this process into large pages, and return their bytes; 0 where the system has none.

    Best effort: what the kernel refuses stays as it is. Takes a second or two for a gigabyte.
    """
    library = ctypes.CDLL(None)
    library.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    library.mincore.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p)
    used = ctypes.create_string_buffer(_PAGE // PAGESIZE)
    moved = 0
    for start, end in _large_buffers():
        # One by one: a page that is busy must not keep the others small, and one that nobody uses takes no memory yet.
        for page in range(-(-start // _PAGE) * _PAGE, end // _PAGE * _PAGE, _PAGE):
            if library.mincore(page, _PAGE, used) == 0 and any(used.raw):
                library.madvise(page, _PAGE, _MADV_HUGEPAGE)
                moved += library.madvise(page, _PAGE, _MADV_COLLAPSE) == 0
    log.debug("%d MiB of memory are in large pages", moved * _PAGE >> 20)
    return moved * _PAGE


def _large_buffers() -> Iterator[tuple[int, int]]:
    """Addresses of writable memory without a file, from its first byte to that after its last."""
    if not _MAPS.exists():
        return
    for line in _MAPS.read_text().splitlines():
        addresses, permissions, _, _, inode, *_ = line.split()
        start, end = (int(address, 16) for address in addresses.split("-"))
        if permissions.startswith("rw") and inode == "0" and end - start >= _LEAST:
            yield start, end
