"""What the bits of a result depend on besides the model, the images and the settings."""

from typing import Any

import torch

from mtshare_ros.inference.engine import Engine
from mtshare_ros.sharing.layout import processor
from mtshare_ros.sharing.settings import SharingSettings


def choices_of(engine: Engine, sharing: SharingSettings) -> dict[str, Any]:
    """
    Return by name what was chosen for an engine, and what it runs on.

    Where all of it is equal, equal images give equal bits, however busy the machine is.
    """
    crossover = engine.crossover(sharing)
    return {
        'device': engine.device, 'processor': _name_of(engine.device),
        'precision': str(engine.dtype).removeprefix('torch.'),
        'weight_layout': engine.weight_layout,
        'crossover': crossover.share, 'crossover_source': crossover.source,
        'threads': torch.get_num_threads(), 'torch': str(torch.__version__),
    }


def _name_of(device: str) -> str:
    """Return the model of a GPU, or of the CPU with its vector instructions."""
    if device.startswith('cuda'):
        return torch.cuda.get_device_name(device)
    model = processor().name or processor().vendor
    return f'{model} {torch.backends.cpu.get_cpu_capability()}'.strip()
