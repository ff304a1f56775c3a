"""One camera on lists of fixed lengths: its buffers, its maps, and the graphs of both."""

from dataclasses import astuple, dataclass
from functools import partial
import math
from typing import Callable, Mapping

import numpy as np
import torch

from mtshare_ros.image_frame import Pinhole
from mtshare_ros.inference.frame_path import FrameRequest
from mtshare_ros.inference.geometry_decoder import GeometryState
from mtshare_ros.inference.map_decoder import MapState
from mtshare_ros.inference.postprocess import holds_numbers_only
from mtshare_ros.inference.static.graphs import Captured, Download, GraphPool, Upload
from mtshare_ros.inference.task_decoders import TaskDecoders
from mtshare_ros.sharing.change import learns
from mtshare_ros.sharing.memory import tensor_bytes
from mtshare_ros.sharing.plan import PlanBounds
from mtshare_ros.sharing.sharing_settings import SharingSettings
from mtshare_ros.sharing.static.fixed_lists import GateCounts, ListSizes
from mtshare_ros.sharing.static.static_gate import Controls
from mtshare_ros.sharing.static.static_network import Geometries, StaticNetwork

Raws = Mapping[str, torch.Tensor]
"""The network's raw outputs (1, C, h, w) float32 by task."""

Patches = Mapping[str, torch.Tensor | None]
"""By task the patches (m,) whose map may differ, entries repeated; None for all."""


@dataclass(frozen=True)
class StaticMaps:
    """The maps of a camera by task, and the outputs of tasks that are computed from others."""

    maps: dict[str, MapState]
    derived: dict[str, GeometryState]

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        maps = sum(state.nbytes for state in self.maps.values())
        return maps + sum(state.nbytes for state in self.derived.values())


class StaticDecoder:
    """
    Decodes the ``asked`` tasks of one camera, whose calibration is ``camera``.

    Nothing that it does depends on data, so it can be captured.
    """

    def __init__(self, decoders: TaskDecoders, asked: tuple[str, ...], camera: Pinhole) -> None:
        self._decoders, self._camera = decoders, camera
        self._asked = asked
        self._derived = {
            task: item for task, item in decoders.derived.items() if task in asked}

    def derive(self, heads: Geometries) -> Geometries:
        """Return the geometries of tasks that are computed from others, given those of heads."""
        return {task: item.geometry(heads) for task, item in self._derived.items()}

    def allocate(self, grid: tuple[int, int], device: torch.device) -> StaticMaps:
        """Return buffers for a (rows, columns) grid; all patches must be decoded first."""
        tasks = dict.fromkeys((*self._decoders.needed(self._asked), *self._asked))
        return StaticMaps(
            {task: self._decoders.maps[task].allocate(grid, device) for task in tasks},
            {task: item.allocate(grid, device) for task, item in self._derived.items()})

    def decode(self, state: StaticMaps, raws: Raws, patches: Patches) -> None:
        """Bring the maps up to the raw outputs."""
        for task, raw in raws.items():
            self._decoders.maps[task].update(state.maps[task], raw, patches[task])
        for task, item in self._derived.items():
            mask = None
            if 'semseg' in item.sources:
                mask = self._decoders.mask(state.maps['semseg'])
            item.compute(state.derived[task], raws['depth'][0, 0], mask,
                          item.own_camera(self._camera), patches[task])
            self._decoders.maps[task].update(
                state.maps[task], state.derived[task].raw, patches[task])

    @property
    def sees_camera(self) -> bool:
        """Whether maps depend on the camera's calibration."""
        return bool(self._derived)

    def outputs(self, state: StaticMaps) -> dict[str, torch.Tensor]:
        """Return the asked maps by name in ``Prediction``, views (H, W) or (H, W, channels)."""
        found: dict[str, torch.Tensor] = {}
        for task in self._asked:
            found.update(self._decoders.maps[task].views(state.maps[task]))
        return found


_REPORT = 'report'


@dataclass(frozen=True)
class FrameResult:
    """
    The results of a frame on the host.

    ``maps`` are by name in ``Prediction`` and belong to the caller. ``oldest_age`` are the frames
    since the oldest patch was refreshed, ``non_finite`` the tasks whose raw output holds NaN or
    infinity.
    """

    maps: dict[str, np.ndarray]
    oldest_age: int
    non_finite: tuple[str, ...]


class StaticCamera:
    """
    What is remembered of a camera for the tasks of a request, and the steps of a frame.

    A frame is ``send``, ``observe``, ``counts`` where they matter, ``compute`` or ``rest``, and
    ``fetch``. Only ``counts`` and ``fetch`` wait for the device. ``frame`` counts from 0 since the
    last reset.
    """

    def __init__(
        self, request: FrameRequest, network: StaticNetwork, decoder: StaticDecoder,
        pool: GraphPool,
    ) -> None:
        self.network, self.pool, self.request = network, pool, request
        self.frame = self._frames_seen = 0
        grid = network.grid_of(request.image.shape[:2])
        self.state = network.allocate(grid)
        self._decoder, self._maps = decoder, decoder.allocate(grid, network.device)
        tasks = len(network.tasks)
        self._report = torch.zeros(tasks + 1, device=network.device)
        self._upload, self._download = Upload(network.device), Download(network.device)
        self._begin = Captured(partial(network.begin, self.state), pool)
        self._looks = {
            (learn, budgeted): Captured(partial(
                network.observe, self.state, learn=learn, budgeted=budgeted), pool)
            for learn in (False, True) for budgeted in (False, True)}
        self._whole = Captured(self._compute_whole, pool)
        self._rest = Captured(self._compute_nothing, pool)
        self._keep = 1.0
        self._buckets = network.buckets(grid, self._keep)
        self._updates: dict[ListSizes, Captured] = {}

    @property
    def patch_count(self) -> int:
        """The number of patches, N."""
        return self.state.grid[0] * self.state.grid[1]

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers, without the memory of the graphs."""
        return self.state.nbytes + self._maps.nbytes + tensor_bytes(self._report)

    @property
    def last_download(self) -> 'torch.cuda.Event | None':
        """When the data of the last ``fetch`` had arrived; None on the CPU."""
        return self._download.end

    def serves(self, request: FrameRequest, reuse: int) -> bool:
        """Tell whether the buffers and graphs fit a request."""
        mine = self.request
        return (request.asked == mine.asked and request.image.shape == mine.image.shape
                and reuse == self.network.reuse
                and (request.camera == mine.camera or not self._decoder.sees_camera))

    def start_anew(self) -> None:
        """Make the next frame the first."""
        self.frame = 0

    def buckets(self, keep: float) -> tuple[ListSizes, ...]:
        """Return the lengths of lists; a ``keep`` other than before discards the graphs."""
        if keep != self._keep:
            self._keep, self._buckets = keep, self.network.buckets(self.state.grid, keep)
            self._updates.clear()
        return self._buckets

    def send(self, image: np.ndarray) -> None:
        """Copy an (H, W, 3) uint8 image to the device."""
        self._upload.send(image, self.state.image)

    def observe(self, settings: SharingSettings, bounds: PlanBounds, factor: float) -> None:
        """Find which patches the image changes, under a temporal ``factor``."""
        self.network.prepare(self.state, settings)
        controls = Controls.of(settings, bounds, frame=self.frame, factor=factor)
        self._upload.send(np.array(astuple(controls), np.float32), self.state.gate.controls)
        # not ``frame``: a reset does not make what is known of the camera's noise worthless
        self._frames_seen += 1
        if self._frames_seen == 1:
            self._begin()
        else:
            self._looks[learns(self._frames_seen), bounds.budget is not None]()

    def counts(self) -> GateCounts:
        """Return how much the frame changes; waits for the device."""
        found = self._download.fetch({'counts': self.state.gate.counts})
        return self.network.read_counts(self.state, found['counts'].tolist())

    def compute(self, sizes: ListSizes | None) -> None:
        """Compute the patches that entered, on lists of ``sizes``; None: all patches."""
        if sizes is None:
            self._whole()
        else:
            if sizes not in self._updates:
                self._updates[sizes] = Captured(partial(self._compute_some, sizes), self.pool)
            self._updates[sizes]()
        self.frame += 1

    def rest(self) -> None:
        """End a frame that changes nothing."""
        self._rest()
        self.frame += 1

    def fetch(self) -> FrameResult:
        """Return the results of the frame; waits for the device."""
        maps = self._download.fetch(
            {**self._decoder.outputs(self._maps), _REPORT: self._report})
        *sums, oldest = maps.pop(_REPORT).tolist()
        # a sum may overflow although every number is finite, so those tasks are looked at again
        doubtful = [task for task, total in zip(self.network.tasks, sums)
                    if not math.isfinite(total)]
        return FrameResult(
            maps, int(oldest),
            tuple(task for task in doubtful if not holds_numbers_only(self.raw(task))))

    def rehearse(self, keep: float) -> None:
        """
        Run all that a frame may need on noise, twice, so that all graphs are captured.

        ``keep`` is that of ``buckets``. The next frame is the camera's first.
        """
        # a camera's noise must not be learnt from the random images below
        noise = vars(self.state.gate.change.noise)
        known = {name: value.clone() for name, value in noise.items()}
        self.state.image.random_(256)
        # in the order of a camera's frames: later steps need what earlier ones leave behind
        steps: list[Callable[[], None]] = [self._begin, *self._looks.values()]
        steps += [partial(self.compute, sizes) for sizes in (None, *self.buckets(keep))]
        steps.append(self._rest)
        for step in steps:
            step()
            step()
            # the lists of an image that does not change would be empty
            self.state.image.bitwise_not_()
        for name, value in known.items():
            noise[name].copy_(value)
        self.frame = self._frames_seen = 0

    def raw(self, task: str) -> torch.Tensor:
        """Return a task's raw output (1, C, h, w) float32 as of the last frame."""
        if task in self._maps.derived:
            return self._maps.derived[task].raw
        return self.network.raw(self.state, task)

    def _compute_nothing(self) -> None:
        # the sums of the last frame stay in the report, as the raw outputs do
        self.network.rest(self.state)
        self._report[-1].copy_(self.state.gate.oldest)

    def _compute_whole(self) -> None:
        self.network.whole(self.state)
        self._finish(dict.fromkeys(self.network.geometries))

    def _compute_some(self, sizes: ListSizes) -> None:
        lists = self.network.update(self.state, sizes)
        self._finish({
            task: None if geometry is None else lists.heads[geometry].affected
            for task, geometry in self.network.geometries.items()})

    def _finish(self, patches: dict[str, torch.Tensor | None]) -> None:
        """Decode the patches by task, and write what the host reads after the frame."""
        raws = {task: self.network.raw(self.state, task) for task in self.network.tasks}
        self._decoder.decode(self._maps, raws, patches)
        self.network.sums(self.state, self._report[:-1])
        self._report[-1].copy_(self.state.gate.oldest)
