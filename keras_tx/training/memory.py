"""How the process treats memory that a training step gives back."""

from __future__ import annotations

import ctypes
import sys

# From glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8


def keep_freed_memory() -> bool:
    """Make the C library keep freed memory for the next step instead of returning it.

    glibc gives blocks above 32 MiB (attention weights, logits) back to the kernel each time
    they are freed, and the kernel fills them with zeros again at the next step: on
    processors with few cores, up to half of a training's time. The setting holds for the
    rest of the process.

    Returns:
        Whether the C library has taken the setting; `False` where it is not glibc.

    Example:
        >>> from keras_tx.training.memory import keep_freed_memory
        >>> keep_freed_memory() in (True, False)
        True

    Source: `man 3 mallopt`.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    settings = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_ARENA_MAX, 1))
    return all([mallopt(name, value) == 1 for name, value in settings])
