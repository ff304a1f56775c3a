"""Short clips and a tiny engine, made once for all tests that need them."""

from functools import lru_cache

from branched import branched_network
import numpy as np
import torch

from mtshare_ros.data.rooms.video import RoomVideo
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import InferenceSettings
from mtshare_ros.model.checkpoint import Checkpoint
from mtshare_ros.model.description import ModelDescription, TaskThresholds
from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.sharing.sharing_settings import SharingSettings
from mtshare_ros.tasks import DEFAULT_TASKS, load_labels

SIZE = (96, 128)
KINDS = ('fast', 'accurate')


@lru_cache(maxsize=None)
def room_clip(motion: str, *, noise: float, frames: int = 50, seed: int = 3) -> np.ndarray:
    """Return (frames, 96, 128, 3) uint8 of a camera in a room with people."""
    video = RoomVideo(seed=seed, motion=motion, height=SIZE[0], width=SIZE[1], noise=noise)
    return np.stack([video.frame(index).image for index in range(frames)])


def engine_of(network: MultiTaskNetwork) -> Engine:
    description = ModelDescription(
        architecture=network.config, tasks=DEFAULT_TASKS, labels=load_labels('nyu40'),
        focal_length=110.0, depth_range=(0.3, 8.0), trained_on='nothing')
    return Engine(Checkpoint(network, description), device='cpu', precision='fp32')


class Camera:
    """
    A camera whose frames go through an engine, beside the network that computes all of it.

    Settings are those of SharingSettings; the frame never runs dense for speed, and no change
    counts as a scene cut unless it is asked for.
    """

    def __init__(self, network: MultiTaskNetwork, *, tasks=DEFAULT_TASKS, engine=None, **sharing):
        self.network, self.engine = network, engine or engine_of(network)
        self.session = self.engine.new_session()
        self.use(tasks, **sharing)

    def use(self, tasks, **sharing) -> None:
        fixed = {'crossover': 1.0, 'scene_cut_fraction': 1.0, **sharing}
        self.settings = InferenceSettings(tasks, SharingSettings(**fixed), activity=True)

    def see(self, frame: np.ndarray):
        self.frame = frame
        return self.engine.infer(frame, self.session, self.settings)

    def raw(self, task: str) -> torch.Tensor:
        return self.engine.raw(self.session, task).clone()

    def outputs(self) -> dict[str, torch.Tensor]:
        return {task: self.raw(task) for task in self.settings.tasks}

    def dense(self) -> dict[str, torch.Tensor]:
        """Return the raw outputs of the network for the last frame."""
        image = torch.from_numpy(self.frame).permute(2, 0, 1)[None]
        with torch.inference_mode():
            return self.network(image, self.settings.tasks)

    def error(self) -> float:
        """Return the largest relative L2 distance to dense of any task."""
        dense = self.dense()
        return max(((self.raw(task) - value).norm() / value.norm()).item()
                   for task, value in dense.items())


def uniform_thresholds(depth: int, *, temporal: float, task: float) -> dict[str, TaskThresholds]:
    return {name: TaskThresholds((temporal,) * depth, (task,) * depth) for name in DEFAULT_TASKS}


@lru_cache(maxsize=None)
def shared_network() -> MultiTaskNetwork:
    """Return the network most tests use: two shared blocks, two of every task's own."""
    return branched_network()


@lru_cache(maxsize=None)
def shared_engine(temporal: float = 0.1, task: float = 0.1) -> Engine:
    """Return its engine, with thresholds at which all gates have something to do."""
    network = shared_network()
    depth = network.config.depth
    return engine_of(network).with_thresholds(
        uniform_thresholds(depth, temporal=temporal, task=task))


def camera(**sharing) -> Camera:
    """Return a new camera on the engine most tests use."""
    return Camera(shared_network(), engine=shared_engine(), **sharing)
