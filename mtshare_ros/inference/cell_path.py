"""Frames of a view that moves: chosen cells are computed, on lists of rows."""

from functools import cached_property

import torch

from mtshare_ros.inference.clock import StageClock
from mtshare_ros.inference.decoding import find_non_finite, FrameDecoder
from mtshare_ros.inference.frame_request import FrameOutcome, FrameRequest
from mtshare_ros.inference.session import Session
from mtshare_ros.model.preprocessing import to_tensor
from mtshare_ros.motion.patch_choice import PatchChoice
from mtshare_ros.sharing.moving.moving_network import KIND, MovingNetwork, MovingState
from mtshare_ros.sharing.network import SharingNetwork


class CellPath:
    """Runs the cells of a view that somebody has chosen; see ``MovingNetwork``."""

    def __init__(self, network: SharingNetwork, decoder: FrameDecoder) -> None:
        self._sharing, self._decoder = network, decoder

    def refusal(self, request: FrameRequest) -> str:
        """Return why frames of a request cannot be computed so, or an empty text."""
        if request.sharing.block != KIND:
            return f'blocks of the kind {request.sharing.block!r} cannot follow a camera'
        derived = [task for task in request.asked if task not in request.needed]
        return f'{", ".join(derived)} of a part of a view cannot be worked out' if derived else ''

    def take(self, memory: Session) -> MovingState:
        """Return what to go on with after a frame that was computed whole or at rest."""
        return self._network.take(memory.cache)

    def run(
        self, memory: Session, state: MovingState, request: FrameRequest, choice: PatchChoice,
        clock: StageClock,
    ) -> FrameOutcome:
        """Compute the chosen cells; the maps hold for them alone."""
        image = to_tensor(request.image, self._sharing.device)
        cells = choice.cells.flatten().nonzero()[:, 0]
        account = self._network.run(
            state, image, request.needed, request.sharing, cells, choice.refreshed.flatten(),
            clock.lap)
        maps = self._decoder.decode(memory, account, request.asked, request.camera)
        clock.lap('decode')
        return FrameOutcome(account, maps, find_non_finite(memory, account))

    @cached_property
    def _network(self) -> MovingNetwork:
        """Made when a camera first moves: most never do."""
        with torch.inference_mode():
            return MovingNetwork(self._sharing)
