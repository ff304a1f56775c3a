"""
A CUDA device for tests on a machine that has none.

Its tensors say ``cuda:0`` and hold their data in the memory of the CPU, so every result is real;
what a GPU would refuse raises, what would make the host wait is logged with its line, and kernel
launches are counted.
"""

from pretended_cuda.device import PretendedDevice, Synchronisation
from pretended_cuda.errors import MisuseError
from pretended_cuda.pretence import pretended_cuda
from pretended_cuda.tensor import PretendedTensor

__all__ = ['MisuseError', 'PretendedDevice', 'PretendedTensor', 'pretended_cuda',
           'Synchronisation']
