"""Frames on lists of rows that shrink from block to block, as they are fastest on a CPU."""

import torch

from mtshare_ros.inference.clock import StageClock
from mtshare_ros.inference.decoding import find_non_finite, FrameDecoder
from mtshare_ros.inference.frame_request import FrameOutcome, FrameRequest
from mtshare_ros.inference.session import Session
from mtshare_ros.model.preprocessing import to_tensor
from mtshare_ros.sharing.account import FrameAccount
from mtshare_ros.sharing.network import SharingNetwork


class ListPath:
    """Runs a network whose gates count what they let through; see ``FramePath``."""

    def __init__(self, network: SharingNetwork, decoder: FrameDecoder) -> None:
        self._network, self._decoder = network, decoder

    def run(self, memory: Session, request: FrameRequest, clock: StageClock) -> FrameOutcome:
        """See FramePath."""
        image = self._take_in(request, clock)
        account = self._network.run(memory.cache, image, request.needed, request.sharing,
                                    request.bounds, clock.lap)
        return self._decode(memory, request, account, clock)

    def run_alone(self, memory: Session, request: FrameRequest, clock: StageClock) -> FrameOutcome:
        """As ``run`` with a new session, at the cost of a network that shares nothing."""
        image = self._take_in(request, clock)
        account = self._network.run_alone(memory.cache, image, request.needed, clock.lap)
        return self._decode(memory, request, account, clock)

    def _take_in(self, request: FrameRequest, clock: StageClock) -> torch.Tensor:
        image = to_tensor(request.image, self._network.device)
        clock.lap('preprocess')
        return image

    def _decode(
        self, memory: Session, request: FrameRequest, account: FrameAccount, clock: StageClock
    ) -> FrameOutcome:
        maps = self._decoder.decode(memory, account, request.asked, request.camera)
        non_finite = find_non_finite(memory, account)
        clock.lap('decode')
        return FrameOutcome(account, maps, non_finite)
