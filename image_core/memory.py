"""Keep freed memory in the process instead of returning it to the system."""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's malloc.h


def keep_freed_memory() -> None:
    """Let malloc reuse large blocks, since every step frees and allocates the same megabytes.

    By default glibc returns blocks above 32 MB, and the top of the heap, to the kernel, and every
    step pays for the page faults of allocating them again: with SeqGAN's discriminator this doubles
    the time of a step. Does nothing if the C library is not glibc.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_MMAP_THRESHOLD, 1 << 30)
            mallopt(_TRIM_THRESHOLD, 1 << 30)
