"""The engine: an RGB frame in, a Prediction out."""

import copy
from typing import Mapping, TYPE_CHECKING

import numpy as np
import torch

from mtshare_ros.image_frame import fit_frame, frame_to_cover, Framing, Picture, Pinhole, size_of
from mtshare_ros.inference.device import (
    computing_on,
    cuda_device_count,
    explained_faults,
    explained_shortage,
    free_cached_memory,
    resolve_device,
    resolve_precision,
)
from mtshare_ros.inference.frame_path import check_tasks, Following, FrameRequest, StageClock
from mtshare_ros.inference.machine_costs import (
    choose_crossover,
    Crossover,
    MachineCosts,
    measure_costs,
    UNKNOWN,
)
from mtshare_ros.inference.map_camera import TrainedCamera
from mtshare_ros.inference.model_facts import (
    choose_input_size,
    known_quality,
    model_warnings,
    non_finite_warnings,
    rooms_only_warning,
)
from mtshare_ros.inference.paths import Paths
from mtshare_ros.inference.prediction import (
    frame_stats,
    InferenceSettings,
    Prediction,
    with_derived,
)
from mtshare_ros.inference.session import Session
from mtshare_ros.inference.task_decoders import network_thresholds, raw_output, TaskDecoders
from mtshare_ros.model.checkpoint import Checkpoint, load_checkpoint
from mtshare_ros.model.description import default_thresholds, TaskThresholds
from mtshare_ros.model.half_precision import trial_picture
from mtshare_ros.model.manifest import find_model, ModelFile
from mtshare_ros.model.network import fuse_batch_norm
from mtshare_ros.sharing.memory import AUTO, choose_layout, keep_freed_memory
from mtshare_ros.sharing.plan import PlanBounds
from mtshare_ros.sharing.sharing_network import SharingNetwork
from mtshare_ros.sharing.sharing_settings import SharingSettings
from mtshare_ros.tasks import LabelSet, ordered
from mtshare_ros.threads import thread_notices

if TYPE_CHECKING:  # most cameras are not followed, and do without motion
    from mtshare_ros.motion.rigid import RigidMotion

NON_FINITE = 'the network returned NaN or infinity'


class Engine:
    """
    A model on a device; the state of a camera is in its session, not in the engine.

    The node, the benchmark, the evaluation and the demo all call ``infer``, so that the measured
    speed is the speed in use. Results do not depend on time, except with a latency target or after
    ``settle_crossover``. ``weight_layout`` is one of ``memory.LAYOUTS``; ``fixed_shapes`` and
    ``cuda_graphs`` are those of ``Paths``.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: str = 'auto',
        precision: str = 'auto',
        input_size: tuple[int, int] | None = None,
        file: ModelFile | None = None,
        weight_layout: str = AUTO,
        fixed_shapes: bool | None = None,
        cuda_graphs: bool = True,
    ) -> None:
        choice = resolve_device(device, cuda_devices=cuda_device_count())
        self.device = choice.name
        self.dtype = resolve_precision(precision, self.device)
        self.weight_layout = choose_layout(
            weight_layout, self.device.partition(':')[0], self.dtype)
        self.description = checkpoint.description
        self.file = file
        self.input_size = self._choose_size(input_size)
        self.quality, size_notices = known_quality(file, self.input_size, self.description)
        threads = thread_notices() if self.device == 'cpu' else ()
        self.rooms_only_warning = rooms_only_warning(self.description)
        network = fuse_batch_norm(checkpoint.network).to(self.device)
        self.network_tasks, self.tasks = network.tasks, ordered(self.description.tasks)
        keep_freed_memory()
        fallback = default_thresholds(network.config)
        with computing_on(self.device), torch.inference_mode():
            self._network = SharingNetwork(network, {
                task: self.description.thresholds.get(task, fallback) for task in network.tasks
            }, self.dtype, self.weight_layout)
            self._decoders = TaskDecoders(
                self.tasks, network.config, self._network.sides, self._network.device)
            self._paths = Paths(network, self._network, self._decoders, self.dtype,
                                fixed_shapes=fixed_shapes, cuda_graphs=cuda_graphs)
        self.notices = tuple(dict.fromkeys((
            *choice.notices, *threads, *size_notices, *self._decoders.notices,
            *self._paths.notices,
            *model_warnings(network, self.description, self.dtype))))
        self._costs: MachineCosts | None = None
        self._measured_crossover: float | None = None

    @classmethod
    def load(
        cls,
        model: str = 'default',
        *,
        device: str = 'auto',
        precision: str = 'auto',
        input_size: tuple[int, int] | None = None,
        weight_layout: str = AUTO,
        cuda_graphs: bool = True,
    ) -> 'Engine':
        """
        Load a shipped model by name, or any model by path, and warm it up with one frame.

        Raises ModelError, DeviceError or ConfigError, which say what is wrong.
        """
        file = find_model(model)
        checkpoint = load_checkpoint(file.path)
        with explained_faults(device):
            engine = cls(checkpoint, device=device, precision=precision, input_size=input_size,
                         file=file, weight_layout=weight_layout, cuda_graphs=cuda_graphs)
            # with a session: a frame without one takes another path than those of cameras
            first = engine.infer(trial_picture(engine.input_size).numpy(), engine.new_session())
            faults = engine.prepare(engine.new_session())
        engine.notices += (*non_finite_warnings(first.stats.non_finite, engine.dtype), *faults)
        return engine

    @property
    def labels(self) -> LabelSet:
        """The classes of the semantic mask."""
        return self.description.labels

    @property
    def thresholds(self) -> Mapping[str, TaskThresholds]:
        """The thresholds of every task: the model's calibrated ones, or defaults."""
        return self._network.thresholds

    @property
    def costs(self) -> MachineCosts:
        """The cost of frames on this machine, measured at the first use."""
        if self._costs is None:
            self._costs = measure_costs(self.infer, self.tasks, self.input_size,
                                        self.description.architecture.patch_size)
        return self._costs

    def crossover(self, settings: SharingSettings | None = None) -> Crossover:
        """Return the share of tokens above which a frame is computed whole, and its source."""
        return choose_crossover(self.device, settings or SharingSettings(),
                                self._measured_crossover, self.description.crossovers)

    def settle_crossover(self) -> None:
        """Measure the crossover if neither the model nor a default has one for the device."""
        if self.crossover().source == UNKNOWN:
            self._measured_crossover = self.costs.crossover

    def with_thresholds(self, thresholds: Mapping[str, TaskThresholds]) -> 'Engine':
        """Return an engine with the same weights and other thresholds, one for every task."""
        engine = copy.copy(self)
        engine._network = self._network.with_thresholds(thresholds)
        engine._paths = self._paths.with_network(engine._network)
        return engine

    def with_input_size(self, input_size: tuple[int, ...]) -> 'Engine':
        """Return an engine with the same weights for another input size, in whole patches."""
        engine = copy.copy(self)
        engine.input_size = self._choose_size(input_size)
        engine._costs = engine._measured_crossover = None  # measured at the other size
        return engine

    def device_memory_mb(self) -> float | None:
        """Return the megabytes that this process holds on the GPU, None on the CPU."""
        if not self.device.startswith('cuda'):
            return None
        return torch.cuda.memory_reserved(self.device) / 1e6

    def free_memory(self) -> None:
        """Return unused memory of the device to the system; needed after it ran out."""
        if self.device.startswith('cuda'):
            with computing_on(self.device):
                free_cached_memory()

    def new_session(self) -> Session:
        """Return the memory of a new camera."""
        return Session()

    def infer(
        self,
        frame: np.ndarray | Picture,
        session: Session | None = None,
        settings: InferenceSettings | None = None,
        camera: Pinhole | None = None,
        pose: 'RigidMotion | None' = None,
    ) -> Prediction:
        """
        Compute the maps of one frame: (H, W, 3) uint8 RGB, or a picture that is not decoded yet.

        ``session`` is the camera's memory; without one the whole frame is computed, whatever the
        settings. ``settings`` default to all tasks of the model. ``camera`` is that of the maps,
        which normals from depth need; the default is ``assumed_camera``. ``pose`` brings points of
        the frame's optical frame to the world, in metres; it is used where the settings follow the
        camera's motion. Raises FrameError for an array that is no image, ConfigError for a task
        that the model does not have, DeviceError where memory runs out.
        """
        settings = settings or InferenceSettings(self.tasks)
        check_tasks(settings.tasks, self.tasks)
        framing = frame_to_cover(size_of(frame), self.input_size)
        # before the clock starts, because the first use measures the costs
        aiming = session is not None and settings.sharing.latency_target_ms > 0
        cost = self.costs.sparse if aiming else None
        clock = StageClock(self.device)
        seen = fit_frame(frame, framing)
        memory = self.new_session() if session is None else session
        memory.check_source_size(framing.source_size)
        crossover = self.crossover(settings.sharing).share
        bounds = memory.bounds(settings.sharing, crossover, self._patch_count, cost)
        request = self._request(seen, framing, settings, bounds, camera, pose)
        run = self._paths.lists.run_alone if session is None else self._paths.of(
            memory, request).run
        with explained_shortage(self.device), computing_on(self.device), torch.inference_mode():
            outcome = run(memory, request, clock)
        if outcome.non_finite:  # the cache may hold them too
            memory.reset(NON_FINITE)
        work = with_derived(outcome.work, self._decoders.sources_of(settings.tasks))
        stats = frame_stats(
            work, self._grid, clock.stages(), clock.total_ms(), non_finite=outcome.non_finite,
            activity=settings.activity, motion=outcome.motion)
        memory.observe(stats, work.entered, int(crossover * work.patch_count))
        return Prediction.from_maps(framing, stats, outcome.maps, image=seen)

    def prepare(
        self, session: Session, settings: InferenceSettings | None = None,
        camera: Pinhole | None = None,
    ) -> tuple[str, ...]:
        """Capture the CUDA graphs of a camera's frames, if any; return what to tell the user."""
        settings = settings or InferenceSettings(self.tasks)
        image = np.zeros((*self.input_size, 3), np.uint8)
        request = self._request(image, frame_to_cover(self.input_size, self.input_size), settings,
                                PlanBounds(), camera)
        with computing_on(self.device), torch.inference_mode():
            return self._paths.prepare(session, request)

    @property
    def assumed_focal_length(self) -> float | None:
        """The focal length of the training's camera in pixels of the maps; None: unknown."""
        return self._trained_camera.focal_length

    def assumed_camera(self, framing: Framing) -> Pinhole:
        """Return the camera assumed for maps of an unknown one: the training's, or a usual one."""
        return self._trained_camera.of(framing)

    def scale_depth(self, prediction: Prediction, focal_length: float | None = None) -> None:
        """Scale a prediction's depth to metres of the camera at hand; see ``TrainedCamera``."""
        self._trained_camera.scale_depth(prediction, focal_length)

    def raw(self, session: Session, task: str) -> torch.Tensor:
        """Return a task's raw output (1, C, h, w) float32 as of the last frame."""
        return raw_output(session, task)

    def _request(
        self, image: np.ndarray, framing: Framing, settings: InferenceSettings,
        bounds: PlanBounds, camera: Pinhole | None, pose: 'RigidMotion | None' = None,
    ) -> FrameRequest:
        asked, decoders = settings.tasks, self._decoders
        sharing = network_thresholds(settings.sharing, decoders.sources_of(asked))
        following = None
        if settings.motion.active:
            scale = self._trained_camera.depth_scale(camera.fx if camera else None)
            following = Following(settings.motion, pose, camera is not None, scale)
        return FrameRequest(image, asked, decoders.needed(asked), sharing, bounds,
                            camera or self.assumed_camera(framing), following)

    @property
    def _trained_camera(self) -> TrainedCamera:
        return TrainedCamera(self.description, self.input_size)

    @property
    def _grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        return self.description.architecture.grid_of(self.input_size)

    @property
    def _patch_count(self) -> int:
        return self._grid[0] * self._grid[1]

    def _choose_size(self, asked: tuple[int, ...] | None) -> tuple[int, int]:
        name = f'the model {self.file.name!r}' if self.file else 'the model'
        return choose_input_size(asked, self.description.architecture, name)
