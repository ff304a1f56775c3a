"""
Delta weights: the weights of a sub-task's own blocks that differ from the base task's.

Of a sub-task's tensors a model file holds only what differs. A tensor NAME of a branch takes the
smallest of these forms:

* nothing at all, where it equals the base task's tensor of the same place;
* ``NAME.rows`` and ``NAME.values``: which output rows differ, and these rows;
* ``NAME.elements`` and ``NAME.values``: which weights differ, and these weights (row-major);
* ``NAME.bitmap`` and ``NAME.values``: the same, with one bit for each weight, uint8, the first
  weight in the highest bit;
* ``NAME``: all weights.

Rows and elements are lists of steps: the first position plus one, then the distance of every
position from the one before, in the smallest of uint8, int16 and int32 that holds them all.
Values are the sub-task's weights themselves, not differences. So a weight that is not stored is
bit-equal to the base task's, a stored weight was rounded only once, and a model that is loaded and
saved again does not change.
"""

import copy
from dataclasses import dataclass, replace
from typing import Iterator, Mapping

import numpy as np
import torch
from torch import nn

from mtshare_ros.config import require
from mtshare_ros.errors import ConfigError, ModelError
from mtshare_ros.model.backbone import Block
from mtshare_ros.model.network import Branch, MultiTaskNetwork

GRANULARITIES = ('row', 'element')

VALUES = '.values'

INDEXES = ('.rows', '.elements', '.bitmap')

STEP_DTYPES = (torch.uint8, torch.int16, torch.int32)


@dataclass(frozen=True)
class DeltaDensity:
    """Shares of a block's linear weights that differ from the base task's, 0 to 1."""

    elements: float
    rows: float
    """Output rows with any difference."""


def branch_out(network: MultiTaskNetwork, prefix: int) -> MultiTaskNetwork:
    """
    Return a copy that shares the first ``prefix`` blocks only, and computes the same function.

    Every sub-task gets its own copy of the blocks above. Raises ConfigError unless ``prefix`` is 0
    to the number of blocks that the network shares: separate weights cannot be shared again.
    """
    shared = network.config.shared_depth
    require(0 <= prefix <= shared, 'prefix', prefix,
            f'0 to {shared}, the number of blocks the network shares')
    branched = copy.deepcopy(network)
    if prefix == shared:
        return branched
    branched.config = replace(network.config, shared_blocks=prefix)
    middle = list(branched.blocks)[prefix:shared]
    branched.branches = nn.ModuleDict({
        task: Branch(copy.deepcopy([*middle, *network.own_blocks(task)]),
                     copy.deepcopy(network.final_norm(task)))
        for task in network.tasks[1:]
    })
    return branched.train(network.training)


def add_random_deltas(
    network: MultiTaskNetwork, *, density: float, granularity: str = 'row', scale: float = 0.1,
    seed: int = 0,
) -> None:
    """
    Add normal noise to a share ``density`` of the linear weights of every branch, in place.

    For tests and measurements of cost, which need no trained delta weights. ``granularity``:
    ``row`` changes whole output rows, ``element`` single weights anywhere. The noise has
    ``scale`` times the standard deviation of the weight it is added to. Biases and norms are not
    changed. Raises ConfigError for a network without branches and for values out of range.
    """
    require(0 <= density <= 1, 'density', density, '0 to 1')
    require(granularity in GRANULARITIES, 'granularity', granularity,
            f'one of {", ".join(GRANULARITIES)}')
    if not network.branches:
        raise ConfigError(
            f'the network shares all {network.config.depth} blocks and has no weights of '
            'sub-tasks to change; call branch_out first')
    generator = torch.Generator().manual_seed(seed)
    for task in network.branches:
        for block in network.own_blocks(task):
            for layer in _linear_layers(block):
                _disturb(layer.weight, density, granularity == 'row', scale, generator)


def delta_density(network: MultiTaskNetwork, task: str) -> tuple[DeltaDensity, ...]:
    """Return a task's delta density for each block above the shared ones; 0 for the base task."""
    return tuple(
        _block_density(own, base) for own, base in
        zip(network.own_blocks(task), network.own_blocks(network.base_task)))


def delta_share_of_encoder(network: MultiTaskNetwork, task: str) -> float:
    """
    Return the share of a task's encoder weights that differ from the base task's, 0 to 1.

    Counted are all weights and biases of its blocks, the shared ones too, and of the norm after
    them; not the stem. 0 for the base task and where every block is shared.
    """
    weights = dict(network.named_parameters())
    changed = sum(
        int((weights[own] != weights[base]).sum()) for own, base in network.counterparts().items()
        if own.startswith(f'branches.{task}.'))
    return changed / sum(value.numel() for name, value in weights.items()
                         if name.startswith(('blocks.', 'norm.')))


def _disturb(
    weight: nn.Parameter, density: float, rows: bool, scale: float, generator: torch.Generator
) -> None:
    """Add the noise, drawn on the CPU, so that a seed gives the same weights on every device."""
    units = weight.shape[0] if rows else weight.numel()
    chosen = torch.randperm(units, generator=generator)[:round(density * units)]
    mask = torch.zeros(units)
    mask[chosen] = 1.0
    mask = mask[:, None] if rows else mask.view(weight.shape)
    delta = mask * torch.randn(weight.shape, generator=generator)
    with torch.no_grad():
        weight += (delta * scale * weight.std().cpu()).to(weight)


def _block_density(own: Block, base: Block) -> DeltaDensity:
    changed = [ours.weight != theirs.weight
               for ours, theirs in zip(_linear_layers(own), _linear_layers(base))]
    elements = sum(int(mask.sum()) for mask in changed)
    rows = sum(int(mask.any(dim=1).sum()) for mask in changed)
    return DeltaDensity(elements / sum(mask.numel() for mask in changed),
                        rows / sum(mask.shape[0] for mask in changed))


def _linear_layers(block: Block) -> Iterator[nn.Linear]:
    return (module for module in block.modules() if isinstance(module, nn.Linear))


def compress(
    tensors: Mapping[str, torch.Tensor], bases: Mapping[str, str]
) -> dict[str, torch.Tensor]:
    """
    Return tensors as they are stored: those named in ``bases`` in the smallest form.

    ``bases`` maps the name of every tensor of a branch to that of the base task's tensor in the
    same place, which has the same shape and dtype (16 or 32 bits).
    """
    stored = {name: value for name, value in tensors.items() if name not in bases}
    for name, base in bases.items():
        stored |= _smallest_form(name, tensors[name], tensors[base])
    return stored


def expand(
    stored: Mapping[str, torch.Tensor], bases: Mapping[str, torch.Tensor], source: str
) -> dict[str, torch.Tensor]:
    """
    Return stored tensors with complete ones for the branches, float32 where a part was stored.

    ``bases`` maps the name of every tensor of a branch to the base task's tensor in the same
    place. Other tensors are not changed. Raises ModelError, naming tensor and ``source``, for
    damaged ones.
    """
    rest = dict(stored)
    dense = {}
    for name, base in bases.items():
        parts = {suffix: rest.pop(name + suffix) for suffix in ('', VALUES, *INDEXES)
                 if name + suffix in rest}
        dense[name] = _dense(name, parts, base, source)
    return {**rest, **dense}


def is_index(name: str) -> bool:
    """Tell whether a stored tensor holds positions, not weights."""
    return name.endswith(INDEXES)


def _smallest_form(
    name: str, value: torch.Tensor, base: torch.Tensor
) -> dict[str, torch.Tensor]:
    changed = _bits(value) != _bits(base)
    if not changed.any():
        return {}
    flat = changed.flatten()
    forms = [
        {name: value},
        {f'{name}.elements': _steps(flat), name + VALUES: value[changed]},
        {f'{name}.bitmap': _packed(flat), name + VALUES: value[changed]},
    ]
    if value.ndim > 1:
        rows = changed.flatten(1).any(dim=1)
        forms.append({f'{name}.rows': _steps(rows), name + VALUES: value[rows]})
    return min(forms, key=lambda form: sum(part.nbytes for part in form.values()))


def _bits(value: torch.Tensor) -> torch.Tensor:
    """Return the bits of floats as integers, so that NaN equals NaN and -0.0 is not 0.0."""
    return value.contiguous().view(torch.int16 if value.element_size() == 2 else torch.int32)


def _steps(chosen: torch.Tensor) -> torch.Tensor:
    """Return where a mask (N,) is true, in at least one place, as steps."""
    positions = chosen.nonzero().flatten()
    steps = positions.diff(prepend=positions.new_tensor([-1]))
    largest = int(steps.max())
    return steps.to(next(kind for kind in STEP_DTYPES if largest <= torch.iinfo(kind).max))


def _packed(chosen: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(np.packbits(chosen.numpy()))


def _dense(
    name: str, parts: Mapping[str, torch.Tensor], base: torch.Tensor, source: str
) -> torch.Tensor:
    if not parts:
        return base
    if set(parts) == {''}:
        return parts['']
    indexes = [suffix for suffix in INDEXES if suffix in parts]
    if set(parts) != {VALUES, *indexes} or len(indexes) != 1:
        found = ', '.join(name + suffix for suffix in parts)
        raise ModelError(
            f'{source}: {name} is stored as {found}; allowed is {name} alone, or {VALUES} with '
            f'one of {", ".join(INDEXES)}; the file is damaged, get it again')
    index, values = indexes[0], parts[VALUES]
    dense = base.to(torch.float32, copy=True)
    units = dense if index == '.rows' else dense.view(-1)
    read = _unpacked if index == '.bitmap' else _positions
    positions = read(parts[index], len(units), f'{source}: {name}{index}')
    expected = (len(positions), *units.shape[1:])
    if values.shape != expected:
        raise ModelError(
            f'{source}: {name}{VALUES} has the shape {tuple(values.shape)}, {name}{index} needs '
            f'{expected}; the file is damaged, get it again')
    units[positions] = values.to(torch.float32)
    return dense


def _positions(steps: torch.Tensor, count: int, name: str) -> torch.Tensor:
    """Return the positions, each 0 to ``count`` - 1, that are stored as steps."""
    _check_form(steps, STEP_DTYPES, name)
    steps = steps.to(torch.int64)
    positions = steps.cumsum(0) - 1
    if len(steps) and (int(steps.min()) < 1 or int(positions[-1]) >= count):
        raise ModelError(
            f'{name} has steps of {int(steps.min())} to {int(steps.max())} that end at position '
            f'{int(positions[-1])}; allowed are steps from 1 on (no position occurs twice) that '
            f'end at {count - 1} or before; the file is damaged, get it again')
    return positions


def _unpacked(bitmap: torch.Tensor, count: int, name: str) -> torch.Tensor:
    """Return the positions in 0 to ``count`` - 1 whose bits are set."""
    _check_form(bitmap, (torch.uint8,), name)
    positions = torch.from_numpy(np.unpackbits(bitmap.numpy())).nonzero().flatten()
    needed = (count + 7) // 8
    if len(bitmap) != needed or (len(positions) and int(positions[-1]) >= count):
        raise ModelError(
            f'{name} has {len(bitmap)} bytes; needed are {needed}, with no bit set after the '
            f'first {count}; the file is damaged, get it again')
    return positions


def _check_form(index: torch.Tensor, dtypes: tuple[torch.dtype, ...], name: str) -> None:
    if index.dtype not in dtypes or index.ndim != 1:
        allowed = ', '.join(str(kind) for kind in dtypes)
        raise ModelError(
            f'{name} is {index.dtype} of the shape {tuple(index.shape)}; allowed is a list of '
            f'{allowed}; the file is damaged, get it again')
