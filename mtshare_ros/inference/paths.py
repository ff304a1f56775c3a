"""The ways in which an engine computes frames, and the choice between them."""

import copy
from typing import TYPE_CHECKING

import torch

from mtshare_ros.inference.frame_path import FrameOutcome, FramePath, FrameRequest, StageClock
from mtshare_ros.inference.session import Session
from mtshare_ros.inference.task_decoders import find_non_finite, FrameDecoder, TaskDecoders
from mtshare_ros.model.backbone import to_tensor
from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.sharing.frame_work import FrameWork
from mtshare_ros.sharing.sharing_network import BLOCK_CHANGED, SharingNetwork
from mtshare_ros.sharing.sharing_settings import SharingSettings

if TYPE_CHECKING:  # loaded where they are needed
    from mtshare_ros.inference.moving_path import MovingPath, PatchPath
    from mtshare_ros.inference.static.static_path import StaticPath

NOT_FOLLOWED = 'the motion of the camera is not followed any more'
NOT_CAPTURED = ('frames cannot be captured as CUDA graphs here, so their kernels are launched one '
                'by one, which takes longer')


class ListPath:
    """Computes frames on lists of active tokens, as is fastest on a CPU; see ``FramePath``."""

    def __init__(self, network: SharingNetwork, decoder: FrameDecoder) -> None:
        self._network, self._decoder = network, decoder

    def run(self, memory: Session, request: FrameRequest, clock: StageClock) -> FrameOutcome:
        """See FramePath."""
        image = self._image_tensor(request, clock)
        work = self._network.run(memory.cache, image, request.needed, request.sharing,
                                 request.bounds, clock.lap)
        return self._decode(memory, request, work, clock)

    def run_alone(self, memory: Session, request: FrameRequest, clock: StageClock) -> FrameOutcome:
        """Compute a single frame, without the cost of keeping anything for a next one."""
        image = self._image_tensor(request, clock)
        work = self._network.run_alone(memory.cache, image, request.needed, clock.lap)
        return self._decode(memory, request, work, clock)

    def _image_tensor(self, request: FrameRequest, clock: StageClock) -> torch.Tensor:
        image = to_tensor(request.image, self._network.device)
        clock.lap('preprocess')
        return image

    def _decode(
        self, memory: Session, request: FrameRequest, work: FrameWork, clock: StageClock
    ) -> FrameOutcome:
        maps = self._decoder.decode(memory, work, request.asked, request.camera)
        non_finite = find_non_finite(memory, work)
        clock.lap('decode')
        return FrameOutcome(work, maps, non_finite)


class Paths:
    """
    The ways in which an engine computes frames, and the choice between them.

    A frame on a CPU goes through ``lists``, a ``ListPath``; so do accurate blocks and frames
    without a session on every device. On CUDA, or where ``fixed_shapes`` is True, other frames go
    through a ``StaticPath``, captured as graphs unless ``cuda_graphs`` is False. A camera whose
    motion is followed has a ``MovingPath`` around one of these. ``notices`` are what to tell the
    user.
    """

    def __init__(
        self, network: MultiTaskNetwork, sharing: SharingNetwork, decoders: TaskDecoders,
        dtype: torch.dtype, *, fixed_shapes: bool | None, cuda_graphs: bool,
    ) -> None:
        self._frame_decoder = FrameDecoder(decoders)
        self._use(sharing)
        self.notices: tuple[str, ...] = ()
        self._static: 'StaticPath | None' = None
        self._patch_size = network.config.patch_size
        if sharing.device.type == 'cuda' if fixed_shapes is None else fixed_shapes:
            # a robot that computes on its CPU loads nothing of this
            from mtshare_ros.inference.static.static_path import StaticPath
            from mtshare_ros.sharing.static.kernel_choice import choose
            config = network.config
            chosen = choose(
                sharing.device, dtype, width=config.embed_dim, heads=config.num_heads)
            self.notices = chosen.notices
            self._static = StaticPath(network, decoders, sharing.thresholds_of, dtype,
                                      chosen.operators, graphs=cuda_graphs)

    def _use(self, sharing: SharingNetwork) -> None:
        self._sharing = sharing
        self.lists = ListPath(sharing, self._frame_decoder)
        # it holds the network, so it is made anew for another one when a camera next needs it
        self._patches: 'PatchPath | None' = None
        self._moving_path: 'type[MovingPath]'

    def with_network(self, sharing: SharingNetwork) -> 'Paths':
        """Return paths with the same weights and the thresholds of another network."""
        other = copy.copy(self)
        other._use(sharing)
        if self._static is not None:
            other._static = self._static.with_thresholds(sharing.thresholds_of)
        return other

    def of(self, memory: Session, request: FrameRequest) -> FramePath:
        """Return the path of a camera's next frame; what it kept for another path is dropped."""
        path = self._of_network(memory, request.sharing)
        if request.following is None:
            memory.stop_following(NOT_FOLLOWED)
            return path
        if self._patches is None:
            # loads the folders motion and sharing.moving, which most cameras do without
            from mtshare_ros.inference.moving_path import MovingPath, PatchPath
            self._moving_path = MovingPath
            self._patches = PatchPath(self._sharing, self._frame_decoder)
        return self._moving_path(
            path, self._patches if path is self.lists else None, request.following,
            self._patch_size, self._sharing.device)

    def prepare(self, memory: Session, request: FrameRequest) -> tuple[str, ...]:
        """Prepare what would delay a camera's first frame; return what to tell the user."""
        if self._static is None or self._of_network(
                memory, request.sharing) is not self._static:
            return ()
        fault = self._static.prepare(memory, request)
        return (f'{NOT_CAPTURED}: {fault}',) if fault else ()

    def _of_network(self, memory: Session, settings: SharingSettings) -> FramePath:
        if self._static is None or settings.block != 'fast':
            if memory.static is not None:
                memory.release(BLOCK_CHANGED)
            return self.lists
        if memory.cache.state is not None:
            memory.release(BLOCK_CHANGED)
        return self._static
