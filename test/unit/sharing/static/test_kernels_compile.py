"""The kernels compile for GPUs that are not there."""

import os
from pathlib import Path
import subprocess
import sys

import pytest

SCRIPT = Path(__file__).parent / 'compile_kernels.py'
KERNELS = (
    '_bias_gelu_kernel', '_decode_classes_kernel', '_decode_values_kernel',
    '_enter_kernel', '_gather_kernel', '_norm_store_kernel', '_predict_kernel',
    '_relu_store_kernel', '_residual_norm_kernel', '_rotate_and_store_kernel',
    '_take_kernel', '_take_patches_kernel')


@pytest.mark.slow
@pytest.mark.parametrize('capability', ['87', '90'], ids=['Orin', 'Hopper'])
def test_every_kernel_compiles_for_a_gpu_that_is_not_there(capability):
    pytest.importorskip('triton', reason='to compile them takes Triton')
    # a process of its own: in this one Triton interprets
    done = subprocess.run(
        [sys.executable, SCRIPT, capability], capture_output=True, text=True,
        env={**os.environ, 'TRITON_INTERPRET': '0'}, check=False)

    assert done.returncode == 0, done.stderr[-2000:]
    assert set(KERNELS) <= {line.partition(' ')[0] for line in done.stdout.splitlines()}
