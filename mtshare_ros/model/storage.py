"""What the parts of a model take in its file."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping

from mtshare_ros.errors import ModelError
from mtshare_ros.model.checkpoint import describe, open_weights
from mtshare_ros.tasks import ordered


@dataclass(frozen=True)
class Storage:
    """Bytes of the weights in a model file; what the file's header takes is left out."""

    base_bytes: int
    """The stem and the base task's encoder."""
    delta_bytes: Mapping[str, int]
    """What every sub-task adds to the encoder: values and their positions."""
    head_bytes: Mapping[str, int]
    """The decode head of every task."""

    @property
    def ratio(self) -> float:
        """The encoders of all tasks to that of the base task, heads left out: 1 or more."""
        return 1 + sum(self.delta_bytes.values()) / self.base_bytes


def storage_of(path: Path) -> Storage:
    """Measure a model file; raise ModelError where it is not one."""
    sizes: Counter[tuple[str, str]] = Counter()
    with open_weights(path) as file:
        tasks = ordered(describe(file.metadata(), path).tasks)
        for name in file.keys():
            part, _, rest = name.partition('.')
            owner = rest.partition('.')[0]
            key = (part, owner) if part in ('branches', 'heads') else ('base', '')
            sizes[key] += file.get_tensor(name).nbytes
    if not sizes['base', '']:
        raise ModelError(f'{path}: there are no weights of the base task; get the file again')
    return Storage(sizes['base', ''], {task: sizes['branches', task] for task in tasks[1:]},
                   {task: sizes['heads', task] for task in tasks})
