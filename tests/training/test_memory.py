import subprocess
import sys

import pytest

from keras_tx.training.memory import keep_freed_memory

# Page faults of allocating and freeing 64 MiB twenty times, after one round of warm-up.
PROBE = """
import resource, sys, numpy as np
if sys.argv[1] == "kept":
    import ctypes
    sys.path.insert(0, sys.argv[2])
    import memory
    assert memory.keep_freed_memory()
def step():
    array = np.empty(8 << 20)
    array[::512] = 1.0
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not keep_freed_memory(), reason="the C library is not glibc")
def test_freed_memory_is_used_again():
    import keras_tx.training.memory as module

    directory = module.__file__.rsplit("/", 1)[0]
    faults = [
        int(subprocess.check_output([sys.executable, "-P", "-c", PROBE, kind, directory]))
        for kind in ("returned", "kept")
    ]
    # 20 × 64 MiB are 327,680 pages of 4 KiB, or 640 of 2 MiB.
    assert faults[1] < faults[0] / 10, faults
