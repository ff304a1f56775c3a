"""The models of the check: a shipped one, and random weights in other architectures."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Callable

from safetensors import safe_open

from gpu_check.check import Check, DEVICE
from mtshare_ros.benchmark.bench_model import random_checkpoint, shipped_model, untrained_model
from mtshare_ros.file_paths import share_directory
from mtshare_ros.inference.engine import Engine
from mtshare_ros.model.architecture import ArchitectureConfig
from mtshare_ros.model.checkpoint import Checkpoint
from mtshare_ros.model.deltas import add_random_deltas, branch_out
from mtshare_ros.model.description import from_header

Size = tuple[int, int]
HALF = 'fp16'


@dataclass(frozen=True)
class Subject:
    """A model and the size of its frames; ``make`` builds it at first use."""

    name: str
    size: Size
    make: Callable[[Size], Checkpoint]

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """The model and its description."""
        return self.make(self.size)

    def engine(self, device: str = DEVICE, precision: str = HALF, **options: Any) -> Engine:
        """Return an engine for frames of this size."""
        return Engine(self.checkpoint, device=device, precision=precision, input_size=self.size,
                      **options)


def _shipped(size: Size) -> Checkpoint:
    return shipped_model('rooms_vit_tiny_shared').checkpoint


def _random(shape: str) -> Callable[[Size], Checkpoint]:
    return lambda size: untrained_model(shape, size).checkpoint


def _public_shape(size: Size) -> Checkpoint:
    path = share_directory() / 'models' / 'real_vit_small.heads.safetensors'
    with safe_open(path, 'pt') as file:
        config = from_header(file.metadata(), str(path)).architecture
    return random_checkpoint(replace(config, input_size=size))


_TINY = ArchitectureConfig(
    embed_dim=32, depth=2, num_heads=2, stem_channels=(8, 16, 16), head_channels=8, head_depth=1)


def _tiny_with_branches(size: Size) -> Checkpoint:
    checkpoint = random_checkpoint(replace(_TINY, input_size=size))
    network = branch_out(checkpoint.network, 1)
    add_random_deltas(network, density=0.1)
    description = replace(checkpoint.description, architecture=network.config)
    return Checkpoint(network, description)


def _tiny_public(size: Size) -> Checkpoint:
    return random_checkpoint(replace(
        _TINY, input_size=size, stem='patch', position='absolute', class_token=True))


VIT_T, VIT_S, VIT_B, LARGE, PUBLIC = (
    'vit_t shipped 480x640', 'vit_s 480x640', 'vit_b 480x640', 'vit_b 1024x1024',
    'real_vit_small 476x630')

SUBJECTS = {subject.name: subject for subject in (
    Subject(VIT_T, (480, 640), _shipped),
    Subject(VIT_S, (480, 640), _random('vit_s')),
    Subject(VIT_B, (480, 640), _random('vit_b')),
    Subject(LARGE, (1024, 1024), _random('vit_b')),
    Subject(PUBLIC, (476, 630), _public_shape),
)}

_TINY_SUBJECTS = {name: Subject(
    name, (96, 128), _tiny_public if name == PUBLIC else _tiny_with_branches)
    for name in SUBJECTS}


def subject_of(check: Check, name: str) -> Subject:
    """Return a model by name; on a pretended device a tiny one takes its place."""
    return (SUBJECTS if check.pretended is None else _TINY_SUBJECTS)[name]


def small_subject(check: Check) -> Subject:
    """Return a model small enough to be computed on a CPU as well."""
    return replace(_TINY_SUBJECTS[VIT_T], name='tiny') if check.pretended is not None else (
        Subject('vit_t shipped 240x320', (240, 320), _shipped))
