"""Frames on lists of fixed lengths: two graphs and two waits, as they are fastest on a GPU."""

import copy
from dataclasses import dataclass
from typing import Callable

import torch

from mtshare_ros.inference.frame_path import FrameOutcome, FrameRequest, StageClock
from mtshare_ros.inference.session import Session
from mtshare_ros.inference.static.graphs import GraphPool
from mtshare_ros.inference.static.static_camera import StaticCamera, StaticDecoder
from mtshare_ros.inference.task_decoders import TaskDecoders
from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.sharing.frame_work import EncoderRun, FrameWork, TaskWork
from mtshare_ros.sharing.gates import FrameThresholds
from mtshare_ros.sharing.plan import SCENE_CUT
from mtshare_ros.sharing.sharing_settings import SharingSettings
from mtshare_ros.sharing.static.fixed_lists import choose, GateCounts, kept_share, ListSizes
from mtshare_ros.sharing.static.operators import Operators
from mtshare_ros.sharing.static.static_network import reuse_pays, StaticNetwork


@dataclass(frozen=True)
class Choice:
    """
    What is computed of a frame.

    Lists of ``sizes``, None for all patches, or ``nothing``. ``counts`` are those of the gate,
    None where the host did not read them. ``reset_reason`` says why the frame uses nothing of
    earlier ones.
    """

    sizes: ListSizes | None = None
    nothing: bool = False
    reset_reason: str = ''
    counts: GateCounts | None = None

    @property
    def computed(self) -> int | None:
        """The number of patches that the blocks compute, None for all."""
        if self.nothing:
            return 0
        if self.sizes is None or self.counts is None:
            return None
        return min(self.sizes.kept, self.counts.patches)


def work_of(camera: StaticCamera, choice: Choice, oldest_age: int) -> FrameWork:
    """
    Return the work of a frame.

    Repeated entries of lists are computed as well, and count as operations.
    """
    network, state, count = camera.network, camera.state, camera.patch_count
    computed, counts = choice.computed, choice.counts
    whole = computed is None
    listed = 0 if choice.sizes is None else choice.sizes.kept
    run = EncoderRun(None if whole else state.kept[:listed], (), (), {})
    shares = ((count if computed is None else computed) / count,)
    tasks = {task: TaskWork(shares * network.depth, (0.0,) * network.depth, None, oldest_age,
                            run) for task in network.tasks}
    dense_macs = network.macs(state, None)
    macs = 0 if choice.nothing else network.macs(state, choice.sizes)
    rows = count if whole or counts is None else counts.patches
    due, due_count = (None, 0) if counts is None else (state.gate.due, counts.due)
    return FrameWork(
        choice.reset_reason, rows, count, macs, dense_macs, tasks, due, due_count)


OTHER_MAPS = 'other tasks, or maps of another size or camera, are asked for'

ThresholdsOf = Callable[[tuple[str, ...], SharingSettings], FrameThresholds]

_MOST_NETWORKS = 2
"""Sets of tasks whose stacked weights are kept, as users who change tasks often change back."""


class StaticPath:
    """
    Runs frames on lists of fixed lengths; see ``FramePath``.

    ``thresholds_of`` returns the thresholds of tasks under the user's settings; products are in
    ``dtype``; with ``graphs`` frames are captured where the device can do that.
    """

    def __init__(
        self, network: MultiTaskNetwork, decoders: TaskDecoders, thresholds_of: ThresholdsOf,
        dtype: torch.dtype, operators: Operators, *, graphs: bool,
    ) -> None:
        self._network, self._decoders, self._thresholds_of = network, decoders, thresholds_of
        self._dtype, self._operators, self._graphs = dtype, operators, graphs
        self._networks: dict[tuple[tuple[str, ...], int], StaticNetwork] = {}

    def with_thresholds(self, thresholds_of: ThresholdsOf) -> 'StaticPath':
        """Return a path with the same weights and other thresholds."""
        other = copy.copy(self)
        other._thresholds_of = thresholds_of
        return other

    def run(self, memory: Session, request: FrameRequest, clock: StageClock) -> FrameOutcome:
        """See FramePath."""
        camera = self._camera_of(memory, request)
        camera.send(request.image)
        clock.lap('preprocess')
        choice = self._choose(memory.cache.reset_reason, camera, request)
        clock.lap('gate')
        if choice.nothing:
            camera.rest()
        else:
            camera.compute(choice.sizes)
        clock.lap('network')
        result = camera.fetch()
        clock.lap('download', camera.last_download)
        memory.cache.started()
        work = work_of(camera, choice, result.oldest_age)
        return FrameOutcome(work, result.maps, result.non_finite)

    def prepare(self, memory: Session, request: FrameRequest) -> str:
        """
        Capture all graphs of a camera; its next frame is its first.

        Returns why they cannot be captured, so that every kernel is launched by itself; empty
        where they are.
        """
        camera = self._camera_of(memory, request)
        thresholds = self._thresholds_of(request.needed, request.sharing)
        camera.rehearse(kept_share(thresholds.first))
        return camera.pool.fault

    def _camera_of(self, memory: Session, request: FrameRequest) -> StaticCamera:
        """Return the camera's buffers, new ones where other maps are asked for."""
        known = memory.static
        reuse = self._reuse(request)
        if known is not None and known.serves(request, reuse):
            return known
        if known is not None:
            memory.release(OTHER_MAPS)
        decoder = StaticDecoder(self._decoders, request.asked, request.camera)
        network = self._network_for(request, reuse, decoder)
        pool = GraphPool(network.device, enabled=self._graphs)
        memory.static = StaticCamera(request, network, decoder, pool)
        return memory.static

    def _network_for(
        self, request: FrameRequest, reuse: int, decoder: StaticDecoder
    ) -> StaticNetwork:
        key = request.asked, reuse
        # taken out and put back last, so that the first one is the one least recently used
        known = self._networks.pop(key, None)
        if known is None:
            known = StaticNetwork(self._network, request.needed, self._dtype, self._operators,
                                  reuse=reuse, derive=decoder.derive)
        while len(self._networks) >= _MOST_NETWORKS:
            self._networks.pop(next(iter(self._networks)))
        self._networks[key] = known
        return known

    def _reuse(self, request: FrameRequest) -> int:
        """Return how many tokens the base task computes for each that a sub-task computes."""
        wanted = any(request.sharing.task_threshold_of(task) for task in request.needed)
        grid = self._network.config.grid_of(request.image.shape[:2])
        return 2 if wanted and reuse_pays(self._network, request.needed, grid) else 1

    def _choose(self, reset_reason: str, camera: StaticCamera, request: FrameRequest) -> Choice:
        """Let the gate read the image, and decide which graph computes it."""
        thresholds, bounds = self._thresholds_of(request.needed, request.sharing), request.bounds
        factor, count = thresholds.input_factor, camera.patch_count
        if reset_reason:
            camera.start_anew()
        # also for a whole frame: later images are compared with this one
        camera.observe(request.sharing, bounds, factor)
        # before the counts are read: that waits for the device, and a whole frame needs none
        if reset_reason or factor == 0:
            return Choice(reset_reason=reset_reason)
        counts = camera.counts()
        if counts.fired > bounds.scene_cut * count:
            camera.start_anew()
            return Choice(reset_reason=SCENE_CUT)
        if counts.patches > bounds.crossover * count:
            return Choice(counts=counts)
        if counts.patches == 0:
            return Choice(nothing=True, counts=counts)
        buckets = camera.buckets(kept_share(thresholds.first))
        sizes = choose(buckets, counts.patches, counts.pixels, counts.affected)
        return Choice(sizes, counts=counts)
