"""
Compile every Triton kernel for a GPU that need not be there; print a line for each.

    python compile_kernels.py CAPABILITY     such as 87 (Orin) or 90 (H100, H200)

The kernels are called as the engine does when it tries them, but are only compiled.
"""

import inspect
import sys
from types import SimpleNamespace

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from triton.runtime.jit import JITFunction

from mtshare_ros.inference.static.map_operator import MapSample
from mtshare_ros.sharing.static.kernel_choice import Samples
from mtshare_ros.sharing.static.operators import KERNELS, operators_of
from mtshare_ros.tasks import get_task

TYPES = {torch.float32: '*fp32', torch.float16: '*fp16', torch.bfloat16: '*bf16',
         torch.uint8: '*u8', torch.bool: '*i1', torch.int32: '*i32', torch.int64: '*i64'}
TASKS = [('semseg', ''), ('depth', ''), ('depth', 'metres'), ('depth', 'disparity'),
         ('normals', ''), ('edge', '')]


def type_of(value):
    """Return how Triton names the type of an argument."""
    if isinstance(value, torch.Tensor):
        return TYPES[value.dtype]
    return {bool: 'i1', int: 'i32', float: 'fp32'}[type(value)]


def is_one(value):
    """Tell whether an argument is the number one."""
    return type(value) is int and value == 1


class Compiler:
    """Compiles what is launched, each signature once."""

    def __init__(self, capability):
        self.target, self.known = GPUTarget('cuda', capability, 32), set()

    def launch(self, kernel, arguments, options):
        given = dict(zip(kernel.arg_names, arguments)) | options
        # a one is compiled into the kernel
        fixed = {param.name: given[param.name] for param in kernel.params
                 if param.is_constexpr or is_one(given[param.name])}
        signature = {name: 'constexpr' if name in fixed else type_of(given[name])
                     for name in kernel.arg_names}
        key = kernel.__name__, str(signature), str(fixed)
        if key not in self.known:
            self.known.add(key)
            triton.compile(self.source(kernel, signature, fixed), target=self.target,
                           options={'num_warps': options['num_warps']})
            print(kernel.__name__, fixed)

    def source(self, kernel, signature, fixed):
        if 'constexprs' in inspect.signature(ASTSource).parameters:
            return ASTSource(fn=kernel, signature=signature, constexprs=fixed)
        moving = {name: kind for name, kind in signature.items() if name not in fixed}
        return ASTSource(fn=kernel, signature=moving, constants=fixed)


def run(capability):
    """Let every operator launch its kernel on small data, in every precision."""
    compiler = Compiler(capability)
    JITFunction.__getitem__ = lambda kernel, grid: (
        lambda *arguments, **options: compiler.launch(kernel, arguments, options))
    operators, cpu = operators_of(SimpleNamespace(**KERNELS)), torch.device('cpu')
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        for name, operator in vars(operators).items():
            Samples(cpu, dtype, 192, 3).run(name, operator)
    for task, encoding in TASKS:
        for side, patch_size in ((4, 16), (4, 14), (14, 14)):
            MapSample(cpu, task, encoding or get_task(task).encoding, side, patch_size)(decode)


def decode(geometry, encoding, raw, patches, maps):
    """Decode with the kernel; see ``PatchDecoder``."""
    enlargement = geometry.enlargement
    KERNELS['decode_patches'](raw, patches, maps, geometry.level.grid[1], enlargement.side,
                              enlargement.target, encoding)


if __name__ == '__main__':
    run(int(sys.argv[1]))
