"""Settings of the process for freed memory, new memory and denormal numbers."""

import torch

from dlpipe.operating_system import glibc

# glibc/malloc.h
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
MAX_HEAP_BLOCK = 32 * 2**20  # the largest that glibc accepts
MAX_KEPT = 512 * 2**20


def tune_memory() -> None:
    """Keep freed memory and flush denormals to zero, for the rest of this process.

    A step frees the tensors that the next one allocates anew. By default glibc gives large blocks back to the kernel at
    once, and each page of the next one is then zeroed at its first touch, which takes a good part of an update of a
    small network; up to half a GiB is kept instead (glibc only: elsewhere nothing is changed). Arithmetic with
    denormals, which weights that decay come to, is many times slower than with normal numbers.
    """
    torch.set_flush_denormal(True)
    # helps to find kernels that read uninitialized memory; in deterministic runs it fills every new tensor
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if libc := glibc():
        libc.mallopt(M_MMAP_THRESHOLD, MAX_HEAP_BLOCK)
        libc.mallopt(M_TRIM_THRESHOLD, MAX_KEPT)
