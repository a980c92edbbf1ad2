"""What the process may use of the machine, and how it uses memory."""

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import ctypes, resource, sys
from lightning_pose.machine import reuse_memory

if sys.argv[1] == "reuse":
    reuse_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
for _ in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = libc.malloc(64 << 20)
    libc.memset(block, 1, 64 << 20)
    libc.free(block)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library than glibc")
def test_a_block_that_was_freed_is_used_again() -> None:
    def faults(mode: str) -> list[int]:
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, mode], capture_output=True, text=True, check=True
        )
        return [int(line) for line in done.stdout.split()]

    pages_of_2_mb = 32  # the fewest that 64 MB can come in
    assert min(faults("plain")) >= pages_of_2_mb
    first, *others = faults("reuse")
    assert first >= pages_of_2_mb
    assert max(others) < pages_of_2_mb / 2
