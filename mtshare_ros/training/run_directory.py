"""What a training run keeps on disk."""

from dataclasses import dataclass
import os
from pathlib import Path
import pickle
from typing import Any

import torch
import yaml

from mtshare_ros.config import to_values
from mtshare_ros.errors import TrainingError
from mtshare_ros.training.recipe import StageRun


@dataclass(frozen=True)
class RunDirectory:
    """A folder with the configuration, the resumable state, the weights and the log of one run."""

    path: Path

    @property
    def model(self) -> Path:
        """Return the file of the averaged weights."""
        return self.path / 'model.safetensors'

    @property
    def log(self) -> Path:
        """Return the folder of the TensorBoard log."""
        return self.path / 'log'

    @property
    def finished(self) -> bool:
        """Return whether the run came to its end."""
        return self._end.is_file()

    def finish(self) -> None:
        """Note that the run came to its end, and drop the state that it would go on from."""
        self._end.write_text(
            'this stage is trained; delete the folder to train it anew\n', encoding='utf-8')
        self._state.unlink(missing_ok=True)

    def bind(self, run: StageRun) -> None:
        """Save what decides the result, or check that the run on disk has the same."""
        values, file = _values(run), self.path / 'config.yaml'
        if file.is_file():
            if yaml.safe_load(file.read_text(encoding='utf-8')) != values:
                raise TrainingError(
                    f'{self.path} holds a run with another configuration; compare {file}, then '
                    'name another --output or delete that folder'
                )
            return
        self.path.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump(values, sort_keys=False), encoding='utf-8')

    def save_state(self, state: dict[str, Any]) -> None:
        """Replace the resumable state in one step, so that a kill leaves the old or the new."""
        partial = self._state.with_suffix('.partial')
        torch.save(state, partial)
        os.replace(partial, self._state)

    def load_state(self) -> dict[str, Any] | None:
        """Return the resumable state, or None for a run that has none yet."""
        if not self._state.is_file():
            return None
        try:
            return torch.load(self._state, weights_only=True, map_location='cpu')
        except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise TrainingError(
                f'{self._state}: the saved state cannot be read ({error}); delete it to start the '
                'run again'
            ) from error

    @property
    def _state(self) -> Path:
        return self.path / 'state.pt'

    @property
    def _end(self) -> Path:
        return self.path / 'finished'


def _values(run: StageRun) -> dict[str, Any]:
    """Return what decides a run's result as plain values: the stages before it count too."""
    recipe = to_values(run.described().recipe)
    return _plain({'stage': run.stage.name, 'task': run.task, **recipe})


def _plain(value: Any) -> Any:
    """Turn tuples into lists: YAML has no tuples."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
