"""The workers that ``evaluate --fleet`` and ``calibrate --fleet`` compute with."""

from contextlib import contextmanager
from dataclasses import dataclass
from typing import Iterator, TYPE_CHECKING

from mtshare_ros.cli.options import load_engine
from mtshare_ros.cli.output import warn

if TYPE_CHECKING:
    from mtshare_ros.evaluation.measurements import Spread
    from mtshare_ros.fleet.calibration_worker import RecordingWorkers, RoomWorkers
    from mtshare_ros.fleet.pool import PoolOptions
    from mtshare_ros.fleet.worker_model import WorkerModel
    from mtshare_ros.inference.engine import Engine


@dataclass(frozen=True)
class Workers:
    """Where workers run, and the model that they load."""

    options: 'PoolOptions'
    model: 'WorkerModel'

    @contextmanager
    def measuring(self, work: 'RoomWorkers | RecordingWorkers') -> 'Iterator[Spread]':
        """Yield what measures with the workers that ``work`` makes."""
        from mtshare_ros.fleet.calibration_worker import PoolSpread
        from mtshare_ros.fleet.pool import Pool

        with Pool(self.options, work, warn) as pool:
            yield PoolSpread(pool, work.names, warn)


@dataclass(frozen=True)
class ModelChoice:
    """The model of a command, and how it is to be computed; (height, width) None is its own."""

    model: str
    device: str
    precision: str
    input_size: tuple[int, int] | None = None

    def workers(self, options: 'PoolOptions | None') -> Workers | None:
        """Return the workers that compute with the model, None where this process does."""
        from mtshare_ros.fleet.worker_model import WorkerModel

        if options is None:
            return None
        return Workers(options, WorkerModel.choose(
            self.model, device=self.device, gpus=options.gpus, precision=self.precision,
            input_size=self.input_size))

    def load(self, workers: Workers | None) -> 'Engine':
        """Load the model here; the device and precision asked for are those of workers."""
        if workers is not None:
            return load_engine(self.model, 'auto', 'auto', self.input_size)
        return load_engine(self.model, self.device, self.precision, self.input_size)
