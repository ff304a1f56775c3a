"""The model that all workers load: the same file, whichever machine they run on."""

from dataclasses import dataclass
from pathlib import Path
import socket
from typing import TYPE_CHECKING

from mtshare_ros.errors import ConfigError, ModelError
from mtshare_ros.model.manifest import find_model

if TYPE_CHECKING:
    from mtshare_ros.inference.engine import Engine


@dataclass(frozen=True)
class WorkerModel:
    """
    A model by name, or by the absolute path of its file, with the checksum that it must have.

    ``input_size`` (height, width) None is the model's own.
    """

    name: str
    sha256: str
    device: str
    precision: str = 'auto'
    input_size: tuple[int, int] | None = None

    @classmethod
    def choose(
        cls, model: str, *, device: str, gpus: float, precision: str,
        input_size: tuple[int, int] | None = None,
    ) -> 'WorkerModel':
        """
        Return a model as this machine finds it, for workers with ``gpus`` GPUs each.

        Raises ModelError for a model that is not there, ConfigError for a device that the workers
        do not have.
        """
        file = find_model(model)
        name = str(Path(model).absolute()) if Path(model).is_file() else model
        return cls(name, file.sha256, _device_of_workers(device, gpus), precision, input_size)

    def load(self) -> 'Engine':
        """Return the engine; raise ModelError where this machine has another file."""
        # the machine of the command chooses models without PyTorch, whose import takes seconds
        from mtshare_ros.inference.engine import Engine

        file = find_model(self.name)
        if file.sha256 != self.sha256:
            raise ModelError(
                f'{file.path} on the machine {socket.gethostname()} has the sha256 {file.sha256}, '
                f'that of the command is {self.sha256}; copy the same file to all machines')
        return Engine.load(self.name, device=self.device, precision=self.precision,
                           input_size=self.input_size)


def _device_of_workers(device: str, gpus: float) -> str:
    """Return the device of workers, which see no GPU unless they were given one."""
    kind = 'cuda' if gpus else 'cpu'
    if device not in ('auto', kind):
        raise ConfigError(f'--device is {device} and --gpus-per-worker is {gpus:g}; allowed is '
                          'cuda (or auto) with 1 or a part of a GPU, cpu (or auto) with 0')
    return kind
