"""What a training run keeps on disk."""

from dataclasses import dataclass
import os
from pathlib import Path
import pickle
from typing import Any

import torch
import yaml

from mtshare_ros.config import load_config, to_values
from mtshare_ros.errors import TrainingError
from mtshare_ros.training.config import TrainingConfig


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

    def bind(self, config: TrainingConfig) -> None:
        """Save the configuration, or check that the run on disk has the same one."""
        file = self.path / 'config.yaml'
        if file.is_file():
            if load_config(file, TrainingConfig) != config:
                raise TrainingError(
                    f'{self.path} holds a run with another configuration; compare {file}, then '
                    'name another --output or delete that folder'
                )
            return
        self.path.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump(_plain(to_values(config)), sort_keys=False))

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
            return torch.load(self._state, weights_only=True)
        except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise TrainingError(
                f'{self._state}: the saved state cannot be read ({error}); delete it to start the '
                'run again'
            ) from error

    @property
    def _state(self) -> Path:
        return self.path / 'state.pt'


def _plain(value: Any) -> Any:
    """Turn tuples into lists: YAML has no tuples."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value
