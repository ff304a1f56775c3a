"""The one door to the network: an RGB frame in, a Prediction out."""

import time

import numpy as np
import torch

from mtshare_ros.inference.device import autocast, resolve_device, resolve_precision
from mtshare_ros.inference.postprocess import decode
from mtshare_ros.inference.prediction import FrameStats, InferenceSettings, Prediction
from mtshare_ros.labels import LabelSet
from mtshare_ros.model.architecture import check_input_size
from mtshare_ros.model.checkpoint import Checkpoint, load_checkpoint
from mtshare_ros.model.framing import frame_to_cover
from mtshare_ros.model.fusing import fuse_batch_norm
from mtshare_ros.model.manifest import find_model, ModelFile
from mtshare_ros.model.preprocessing import check_image, fit_image, to_tensor


class Engine:
    """
    A loaded model on a device.

    The node, the benchmark, the evaluation and the demo all call ``infer``, so a measured speed is
    the published speed. The engine keeps no state between frames.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: str = 'auto',
        precision: str = 'auto',
        input_size: tuple[int, int] | None = None,
        file: ModelFile | None = None,
    ) -> None:
        choice = resolve_device(device, cuda_available=torch.cuda.is_available())
        self.device = choice.name
        self.notices = choice.notices
        self.dtype = resolve_precision(precision, self.device)
        self.description = checkpoint.description
        self.input_size = check_input_size(
            input_size or checkpoint.description.architecture.input_size)
        self.file = file
        network = fuse_batch_norm(checkpoint.network)
        self._network = network.to(self.device, memory_format=torch.channels_last)

    @classmethod
    def load(
        cls,
        model: str = 'default',
        *,
        device: str = 'auto',
        precision: str = 'auto',
        input_size: tuple[int, int] | None = None,
    ) -> 'Engine':
        """
        Load a shipped model by name, or any model by path, and run it once to warm up.

        Raises ModelError, DeviceError or ConfigError saying what is wrong.
        """
        file = find_model(model)
        engine = cls(load_checkpoint(file.path), device=device, precision=precision,
                     input_size=input_size, file=file)
        engine.infer(np.zeros((*engine.input_size, 3), np.uint8))
        return engine

    @property
    def tasks(self) -> tuple[str, ...]:
        """Task ids the model has, in canonical order."""
        return self._network.tasks

    @property
    def labels(self) -> LabelSet:
        """The classes of the semantic mask."""
        return self.description.labels

    def infer(
        self, frame: np.ndarray, settings: InferenceSettings | None = None
    ) -> Prediction:
        """
        Compute the maps of one (H, W, 3) uint8 RGB frame.

        ``settings`` defaults to every task of the model. Raises FrameError for an array that is no
        image, ConfigError for a task the model does not have.
        """
        tasks = self.tasks if settings is None else settings.tasks
        check_image(frame)
        clock = _StageClock(self.device)
        framing = frame_to_cover((frame.shape[0], frame.shape[1]), self.input_size)
        seen = fit_image(frame, framing)
        image = to_tensor(seen, torch.device(self.device))
        clock.lap('preprocess')
        with torch.inference_mode(), autocast(self.device, self.dtype):
            raw = self._network(image, tasks)
        clock.lap('network')
        with torch.inference_mode():
            maps = {name: value for task in tasks
                    for name, value in decode(task, raw[task]).items()}
        clock.lap('decode')
        return Prediction(framing=framing, stats=clock.stats(), image=seen, **maps)


class _StageClock:
    """Wall-clock milliseconds of consecutive stages, with the device's queue drained at each."""

    def __init__(self, device: str) -> None:
        self._cuda = device.startswith('cuda')
        self._stages: dict[str, float] = {}
        self._start = self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """End a stage."""
        if self._cuda:
            torch.cuda.synchronize()
        now = time.perf_counter()
        self._stages[stage] = (now - self._last) * 1e3
        self._last = now

    def stats(self) -> FrameStats:
        """Return what was measured so far."""
        return FrameStats((self._last - self._start) * 1e3, self._stages)
