"""The ways in which an engine computes frames, and which one a camera's take."""

import copy

import torch

from mtshare_ros.inference.cell_path import CellPath
from mtshare_ros.inference.decoding import FrameDecoder
from mtshare_ros.inference.frame_path import FramePath
from mtshare_ros.inference.frame_request import FrameRequest
from mtshare_ros.inference.list_path import ListPath
from mtshare_ros.inference.moving_path import MovingPath
from mtshare_ros.inference.session import Session
from mtshare_ros.inference.static.static_path import StaticPath
from mtshare_ros.inference.task_decoders import TaskDecoders
from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.sharing.network import BLOCK_CHANGED, SharingNetwork
from mtshare_ros.sharing.settings import SharingSettings
from mtshare_ros.sharing.static.kernel_choice import choose

NOT_FOLLOWED = 'the motion of the camera is not followed any more'
NOT_CAPTURED = ('frames cannot be captured as CUDA graphs here, so their kernels are launched one '
                'by one, which takes longer')


class Paths:
    """
    Lists that shrink from block to block, and lists of fixed lengths.

    The latter, which a GPU needs, are used on CUDA, or where ``fixed_shapes`` says so; they are
    captured as graphs unless ``cuda_graphs`` is false. They have one kind of block, the fast one:
    accurate blocks, and frames of no camera, take the former everywhere. ``notices`` tell what the
    user should know of how they were made.
    """

    def __init__(
        self, network: MultiTaskNetwork, sharing: SharingNetwork, decoders: TaskDecoders,
        dtype: torch.dtype, *, fixed_shapes: bool | None, cuda_graphs: bool,
    ) -> None:
        self._frame_decoder = FrameDecoder(decoders)
        self._use(sharing)
        self.notices: tuple[str, ...] = ()
        self._static: StaticPath | None = None
        self._patch_size, self._device = network.config.patch_size, sharing.device
        if sharing.device.type == 'cuda' if fixed_shapes is None else fixed_shapes:
            config = network.config
            chosen = choose(
                sharing.device, dtype, width=config.embed_dim, heads=config.num_heads)
            self.notices = chosen.notices
            self._static = StaticPath(network, decoders, sharing.limits_of, dtype,
                                      chosen.operators, graphs=cuda_graphs)

    def with_network(self, sharing: SharingNetwork) -> 'Paths':
        """Return paths with the same weights and the thresholds of another network."""
        other = copy.copy(self)
        other._use(sharing)
        if self._static is not None:
            other._static = self._static.with_limits(sharing.limits_of)
        return other

    def of(self, memory: Session, request: FrameRequest) -> FramePath:
        """Return the path of a camera's next frame; what it remembers of another one goes."""
        path = self._of_network(memory, request.sharing)
        if request.following is None:
            memory.stop_following(NOT_FOLLOWED)
            return path
        cells = self._cells if path is self.alone else None
        return MovingPath(path, cells, request.following, self._patch_size, self._device)

    def _use(self, sharing: SharingNetwork) -> None:
        self.alone = ListPath(sharing, self._frame_decoder)
        self._cells = CellPath(sharing, self._frame_decoder)

    def _of_network(self, memory: Session, settings: SharingSettings) -> FramePath:
        if self._static is None or settings.block != 'fast':
            if memory.static is not None:
                memory.release(BLOCK_CHANGED)
            return self.alone
        if memory.cache.state is not None:
            memory.release(BLOCK_CHANGED)
        return self._static

    def prepare(self, memory: Session, request: FrameRequest) -> tuple[str, ...]:
        """Do before a camera's first frame what would delay it; return what to tell the user."""
        if self._static is None or self._of_network(
                memory, request.sharing) is not self._static:
            return ()
        fault = self._static.prepare(memory, request)
        return (f'{NOT_CAPTURED}: {fault}',) if fault else ()
