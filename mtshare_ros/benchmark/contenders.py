"""The contenders besides the dense networks: the engine, and maps moved with the camera."""

from dataclasses import dataclass, replace
from typing import Callable, Protocol

import numpy as np
import torch

from mtshare_ros.image_frame import frame_to_cover, Framing, Pinhole
from mtshare_ros.inference.device import computing_on
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import FrameStats, InferenceSettings, Prediction
from mtshare_ros.motion.alignment import Aligner, TRUSTED_CONFIDENCE
from mtshare_ros.motion.composite import Composite
from mtshare_ros.motion.fusion import begin, fuse, still_alike
from mtshare_ros.motion.motion_settings import MotionSettings
from mtshare_ros.motion.rigid import RigidMotion
from mtshare_ros.sharing.residual import ResidualDetector
from mtshare_ros.sharing.sharing_settings import SharingSettings


class Contender(Protocol):
    """
    One way of computing the maps, timed against the others on the same frames.

    ``form`` says in words how it is computed.
    """

    name: str
    form: str

    def start(self) -> None:
        """Begin another room: discard what was kept of the one before."""

    def run(self, frame: np.ndarray) -> Prediction:
        """Compute the maps of one (H, W, 3) uint8 RGB frame."""

    def raw(self, task: str) -> torch.Tensor:
        """Return the raw output (1, C, H/4, W/4) of the last frame."""


@dataclass(frozen=True)
class EngineWay:
    """Whether a contender shares over time and across tasks, and how it treats a moving camera."""

    temporal: bool
    task: bool
    motion: MotionSettings = MotionSettings()


ENGINE_CONTENDERS = {
    'prefix': EngineWay(False, False),
    'temporal': EngineWay(True, False),
    'task': EngineWay(False, True),
    'combined': EngineWay(True, True),
}
"""
Contenders for a camera at rest, with what the engine shares in each.

``prefix`` computes every frame dense, but the shared blocks once for all tasks.
"""

_FUSED = MotionSettings(source='images', fusion=True)

MOTION_CONTENDERS = {
    'dense_fused': EngineWay(False, False, _FUSED),
    'combined_fused': EngineWay(True, True, _FUSED),
    'moving': EngineWay(True, True, MotionSettings(source='images', sharing=True)),
    'moving_fused': EngineWay(True, True, replace(_FUSED, sharing=True)),
}
"""Contenders for a camera that moves; the engine estimates its motion from the images."""


class EngineContender:
    """
    The engine with settings and a session of this contender.

    ``camera`` is the camera of the frames, None where its intrinsics are unknown.
    """

    def __init__(
        self, name: str, engine: Engine, settings: InferenceSettings,
        camera: Pinhole | None = None,
    ) -> None:
        self.name = name
        self.form = 'the engine'
        self.session = engine.new_session()
        self._engine = engine
        self._settings = settings
        self._camera = camera

    def start(self) -> None:
        """Begin a room."""
        self.session.reset('the benchmark begins another room')

    def run(self, frame: np.ndarray) -> Prediction:
        """Compute the maps of one (H, W, 3) uint8 RGB frame."""
        return self._engine.infer(frame, self.session, self._settings, self._camera)

    def raw(self, task: str) -> torch.Tensor:
        """Return the raw output (1, C, H/4, W/4) of the last frame."""
        return self._engine.raw(self.session, task)


def make_engine_contender(
    name: str, engine: Engine, tasks: tuple[str, ...], sharing: SharingSettings,
    camera: Pinhole | None = None,
) -> EngineContender:
    """Return a contender of the engine; its name decides what is shared, ``sharing`` all else."""
    way = (ENGINE_CONTENDERS | MOTION_CONTENDERS)[name]
    shared = replace(sharing, temporal=way.temporal, task=way.task)
    settings = InferenceSettings(tasks, shared, motion=way.motion)
    return EngineContender(name, engine, settings, camera)


CARRIED_CONTENDERS = (
    'dense_nth', 'dense_nth_fused', 'shared_encoder_nth', 'shared_encoder_nth_fused')
"""
Contenders whose maps are moved with the camera between the frames that a network computes.

``dense_nth`` runs the engine's model, ``shared_encoder_nth`` a model with one encoder for all
tasks; the ``fused`` ones fuse the maps of a computed frame with those carried to it.
"""

_KEPT = 2
"""Frames that a composite keeps; few, because every computed frame replaces all maps."""

_FIELDS = ('mask', 'confidence', 'depth', 'disparity', 'normals', 'edges')


@dataclass(frozen=True)
class DenseNetwork:
    """
    A network that computes each frame from its pixels alone, and what a frame costs.

    ``form`` says in words how it is computed. ``macs`` are the multiply-accumulates of one frame,
    ``counted_as`` those that they are reported as a share of.
    """

    compute: Callable[[np.ndarray], Prediction]
    form: str
    macs: int
    counted_as: int


@dataclass(frozen=True)
class View:
    """
    Size and camera of the frames, and the patches in which two frames are compared.

    ``size`` is (height, width), ``pinhole`` the camera's intrinsics, ``patch`` the side of a patch
    in pixels.
    """

    size: tuple[int, int]
    pinhole: Pinhole
    patch: int
    device: str

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the patches."""
        return self.size[0] // self.patch, self.size[1] // self.patch


class CarriedContender:
    """
    A network that computes every ``nth`` frame; in between its maps are moved with the camera.

    The motion of the camera is estimated from the images. Where that fails, the network computes
    the frame ahead of its turn.
    """

    def __init__(
        self, name: str, network: DenseNetwork, view: View, *, nth: int, fused: bool
    ) -> None:
        self.name = name
        self.form = f'every {nth}. frame: {network.form}'
        self._network, self._view, self._nth, self._fused = network, view, nth, fused
        self._framing: Framing = frame_to_cover(view.size, view.size)
        self._aligner = Aligner(view.size)
        self._residual = ResidualDetector(view.grid, view.patch, torch.device(view.device))
        self._composite: Composite | None = None
        self._types: dict[str, np.dtype] = {}
        self._age = 0

    def start(self) -> None:
        """Begin a room."""
        self._aligner.reset()
        self._composite = None

    def run(self, frame: np.ndarray) -> Prediction:
        """Return the maps of one (H, W, 3) uint8 RGB frame, computed or carried to it."""
        with computing_on(self._view.device), torch.inference_mode():
            image = torch.from_numpy(frame).to(self._view.device)
            known = self._moved(image)
            fresh = known is None or self._age >= self._nth
            if known is None or fresh:
                known = self._computed(frame, image, known)
            self._composite, self._age = known, 1 if fresh else self._age + 1
            return Prediction.from_maps(
                self._framing, self._stats(fresh), self._read(known), image=frame)

    def raw(self, task: str) -> torch.Tensor:
        """Raise RuntimeError: moved maps have no raw output."""
        raise RuntimeError(f'{self.name} has no raw output of {task}: its maps are carried along')

    def _moved(self, image: torch.Tensor) -> Composite | None:
        """Return the maps moved to the view of an image, None where the motion is not known."""
        composite = self._composite
        if composite is None:
            return None
        found = self._aligner.estimate(
            composite.image, composite.maps.get('depth'), image, self._view.pinhole,
            trusted=composite.seen)
        if found.confidence < TRUSTED_CONFIDENCE:
            return None
        composite.move(found.motion, self._view.pinhole)
        return composite

    def _computed(
        self, frame: np.ndarray, image: torch.Tensor, carried: Composite | None
    ) -> Composite:
        """Return the composite with this frame's maps, fused with the carried ones if so set."""
        new = _maps_of(self._network.compute(frame))
        self._types = {name: values.dtype for name, values in new.items()}
        maps = {name: torch.from_numpy(values).to(self._view.device)
                for name, values in new.items()}
        if self._fused:
            maps = begin(maps) if carried is None else self._fuse(carried, maps, image)
        composite = carried or self._begin(tuple(maps))
        composite.put(None, maps, image)
        return composite

    def _begin(self, names: tuple[str, ...]) -> Composite:
        composite = Composite(self._view.size, names, self._view.device, kept_frames=_KEPT)
        # a composite takes maps only once it has the intrinsics of the camera, which a motion
        # brings
        composite.move(RigidMotion.none(), self._view.pinhole)
        return composite

    def _fuse(
        self, carried: Composite, maps: dict[str, torch.Tensor], image: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        areas = self._residual.compare(carried.image, image, learn=True).areas
        return fuse(carried.maps, maps, still_alike(areas, carried.seen))

    def _read(self, composite: Composite) -> dict[str, np.ndarray]:
        maps = composite.maps
        return {name: _as_type(maps[name], kind) for name, kind in self._types.items()}

    def _stats(self, fresh: bool) -> FrameStats:
        share = float(fresh)
        return FrameStats(
            0.0, input_fraction=share, active={'all': (share,)},
            macs=self._network.macs if fresh else 0, dense_macs=self._network.counted_as)


def _maps_of(prediction: Prediction) -> dict[str, np.ndarray]:
    """Return the maps of a prediction by name."""
    own = {name: getattr(prediction, name) for name in _FIELDS}
    maps = {**own, **prediction.other}
    return {name: values for name, values in maps.items() if values is not None}


def _as_type(values: torch.Tensor, kind: np.dtype) -> np.ndarray:
    """Return a map in the type that the network gives, as an array that nothing else uses."""
    if kind == np.uint8 and values.is_floating_point():
        values = values.round().clamp(0, 255)
    return np.array(values.cpu().numpy(), kind, order='C')
