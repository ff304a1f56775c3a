"""A frame of which only listed patches are computed, as a module: lists and states in and out."""

from dataclasses import dataclass, replace
from typing import Sequence

import torch
from torch import nn

from mtshare_ros.errors import ConfigError
from mtshare_ros.export.dense import decode_whole, MAPS, output_ports, RAW
from mtshare_ros.export.listed_frame import ListInputs, OPERATORS, tensors_of, with_tensors
from mtshare_ros.export.onnx_file import example_image, Graph, IMAGE, Port
from mtshare_ros.model.network import fuse_batch_norm, MultiTaskNetwork
from mtshare_ros.sharing.static.fixed_lists import bucket_sizes, FrameLists, ListSizes
from mtshare_ros.sharing.static.static_encoder import StaticTransformer, StaticTransformerState
from mtshare_ros.sharing.static.static_heads import StaticHeads, StaticHeadsState
from mtshare_ros.sharing.static.static_stem import StaticStem, StaticStemState
from mtshare_ros.sharing.stem import receptive_field_of_stem

NEXT = '_next'
"""Suffix of the name of an output that is a state of the next frame."""

_STATE = 'state after the frame before'

_CPU = torch.device('cpu')


@dataclass(frozen=True)
class CameraTensors:
    """What the parts of the network remember of one camera."""

    stem: StaticStemState
    encoder: StaticTransformerState
    heads: StaticHeadsState


class UpdateNetwork:
    """
    The network for images of one size, computed whole or on lists.

    ``memory`` is that of a camera after a frame; ``states`` are the names of its tensors that a
    frame changes, the others are tables.
    """

    def __init__(
        self, network: MultiTaskNetwork, tasks: Sequence[str], size: tuple[int, int],
        outputs: str = MAPS, dtype: torch.dtype = torch.float32,
    ) -> None:
        fused = fuse_batch_norm(network).requires_grad_(False)
        self.tasks, self.config = tuple(tasks), network.config
        self._outputs, self._dtype = outputs, dtype
        self.grid, self.size = network.config.grid_of(size), size
        self.receptive_field = receptive_field_of_stem(network)
        self.ports = output_ports(network, tasks, outputs)
        self._stem = StaticStem(fused, dtype)
        self._encoder = StaticTransformer(fused, tasks, dtype, OPERATORS)
        self._heads = StaticHeads(fused, tasks, dtype)
        self.geometries = tuple(dict.fromkeys(
            item for item in self._heads.geometries.values() if item is not None))
        self.memory = CameraTensors(self._stem.allocate(self.grid, _CPU),
                                    _with_own_caches(self._encoder.allocate(self.grid)),
                                    self._heads.allocate(self.grid))
        self._tables: dict[str, torch.Tensor] = {}
        self.states = self._find_states()

    def whole(
        self, image: torch.Tensor, memory: CameraTensors
    ) -> tuple[torch.Tensor, ...]:
        """Compute all of an image (H, W, 3) uint8; return the outputs."""
        tokens = self._stem.dense(memory.stem, self._planes(image))
        self._encoder.dense(memory.encoder, tokens)
        self._heads.dense(memory.heads, memory.encoder.taps, memory.stem)
        return self._results(memory)

    def update(
        self, image: torch.Tensor, lists: FrameLists, kept: int, memory: CameraTensors
    ) -> tuple[torch.Tensor, ...]:
        """Compute what the lists name; return the outputs."""
        tokens = self._stem.update(
            memory.stem, self._planes(image), lists.transmitted, lists.patches)
        self._encoder.update(memory.encoder, tokens, lists.patches, lists.forced, kept)
        self._heads.update(memory.heads, memory.encoder.taps, memory.stem, lists)
        return self._results(memory)

    def memory_of(self, states: Sequence[torch.Tensor]) -> CameraTensors:
        """Return what is remembered, with tensors in the order of ``states``."""
        return with_tensors(self.memory, {**self._tables, **dict(zip(self.states, states))})

    def states_of(self, memory: CameraTensors) -> tuple[torch.Tensor, ...]:
        """Return the tensors in the order of ``states``."""
        found = tensors_of(memory)
        return tuple(found[name] for name in self.states)

    def _planes(self, image: torch.Tensor) -> torch.Tensor:
        # TensorRT does nothing with bytes but to cast them
        return image.to(self._dtype).permute(2, 0, 1)[None]

    def _results(self, memory: CameraTensors) -> tuple[torch.Tensor, ...]:
        raw = {task: self._heads.raw(memory.heads, task) for task in self.tasks}
        if self._outputs == RAW:
            return tuple(raw.values())
        return tuple(value for task in self.tasks for value in decode_whole(
            task, raw[task], self.size, self.config.head_of(task).encoding))

    @torch.no_grad()
    def _find_states(self) -> tuple[str, ...]:
        """Compute a frame and return the names of the tensors that it wrote to."""
        tensors = tensors_of(self.memory)
        # tables may be inference tensors of an engine, which cannot be exported
        usable = {name: value.clone() for name, value in tensors.items()}
        self.memory = with_tensors(self.memory, usable)
        # PyTorch counts in it how often a tensor was written to
        before = {name: value._version for name, value in usable.items()}
        self.whole(example_image(self.size), self.memory)
        self._tables = {name: value for name, value in usable.items()
                        if value._version == before[name]}
        return tuple(name for name in usable if name not in self._tables)


class _Whole(nn.Module):
    """An image in; its outputs and all states out."""

    def __init__(self, network: UpdateNetwork) -> None:
        super().__init__()
        self._network = network

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the outputs and the states of the next frame."""
        network = self._network
        memory = network.memory_of([
            value.new_zeros(value.shape) for value in network.states_of(network.memory)])
        return (*network.whole(image, memory), *network.states_of(memory))


class _Update(nn.Module):
    """An image, lists and states in; outputs and states out."""

    def __init__(self, network: UpdateNetwork, lists: ListInputs) -> None:
        super().__init__()
        self._network, self._lists = network, lists

    def forward(
        self, image: torch.Tensor, *given: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """Return the outputs and the states of the next frame."""
        network, count = self._network, len(self._lists.lengths)
        # the states are written to, and the inputs of a file cannot be
        memory = network.memory_of([value.clone() for value in given[count:]])
        outputs = network.update(
            image, self._lists.read(given[:count]), self._lists.sizes.kept, memory)
        return (*outputs, *network.states_of(memory))


def whole_graph(network: UpdateNetwork) -> Graph:
    """Return the graph of a first frame: an image in, outputs and states out."""
    return Graph(
        _Whole(network).eval(), (example_image(network.size),), (IMAGE,),
        (*network.ports, *_next_states(network)), states=_following(network))


def update_graph(network: UpdateNetwork, sizes: ListSizes) -> Graph:
    """Return the graph of a frame that computes lists of some sizes."""
    lists = ListInputs(sizes, network.receptive_field)
    states = tuple(Port(name, _STATE) for name in network.states)
    return Graph(
        _Update(network, lists).eval(),
        (example_image(network.size, seed=1), *lists.examples(),
         *(value.clone() for value in network.states_of(network.memory))),
        (IMAGE, *lists.ports, *states), (*network.ports, *_next_states(network)),
        facts=lists.facts, states=_following(network))


def choose_sizes(network: UpdateNetwork, patches: int, keep: float = 1.0) -> ListSizes:
    """
    Return the shortest lists that hold so many patches, of which blocks compute ``keep``.

    Raises ConfigError for more patches than lists are made for.
    """
    buckets = bucket_sizes(network.grid, network.geometries, keep)
    found = next((sizes for sizes in buckets if sizes.patches >= patches), None)
    if found is None or patches < 1:
        rows, columns = network.grid
        raise ConfigError(
            f'--update asks for {patches} of {rows * columns} patches; allowed are 1 to '
            f'{buckets[-1].patches}, or "all" for a file that computes whole frames')
    return found


def _with_own_caches(state: StaticTransformerState) -> StaticTransformerState:
    """Return a state with a buffer for each block, because a file copies all that it writes to."""
    return replace(state, own=tuple(state.own))  # type: ignore[arg-type]


def _next_states(network: UpdateNetwork) -> tuple[Port, ...]:
    return tuple(Port(f'{name}{NEXT}', 'state for the next frame') for name in network.states)


def _following(network: UpdateNetwork) -> dict[str, str]:
    return {f'{name}{NEXT}': name for name in network.states}
