"""How this process waits and keeps its memory on a CPU; has an effect only before torch is loaded.

- Two OpenMP threads that wait for each other by spinning take the core from the thread that works.
- glibc gives large tensors back to the system at each step and asks for them again, page by page.

Nothing is set that is set already, and nothing at all with ``PACDREAM_THREADS=off`` or on systems that are not meant.
"""

import ctypes
import os
import platform

SWITCH = "PACDREAM_THREADS"
_WAIT_ASLEEP = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of glibc's malloc.h
_KEEP = 2**30
"""Bytes of free memory at the top of the heap that are kept."""


def prepare() -> None:
    """Let waiting threads sleep, and keep freed memory."""
    if os.environ.get(SWITCH) == "off":
        return
    for name, value in _WAIT_ASLEEP.items():
        os.environ.setdefault(name, value)  # worker processes inherit it
    if platform.libc_ver()[0] == "glibc" and not any(name.startswith("MALLOC_") for name in os.environ):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, _KEEP)
