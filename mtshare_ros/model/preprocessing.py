"""From a camera image to the network's input; shared by training, evaluation and the node."""

import numpy as np
import torch
from torch import nn

from mtshare_ros.model.architecture import IMAGE_MEAN, IMAGE_STD


class Normalize(nn.Module):
    """Bring 8-bit RGB (B, 3, H, W), any dtype, to zero mean and unit variance."""

    def __init__(self, mean: tuple[float, ...] = IMAGE_MEAN, std: tuple[float, ...] = IMAGE_STD
                 ) -> None:
        super().__init__()
        self.register_buffer('mean', torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer('std', torch.tensor(std).view(3, 1, 1), persistent=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return (B, 3, H, W) float32."""
        return (image.float() - self.mean) / self.std


def to_tensor(image: np.ndarray, device: torch.device) -> torch.Tensor:
    """Return an (H, W, 3) uint8 image as a (1, 3, H, W) uint8 tensor on the device."""
    # Images of messages and files are often read-only, which torch.from_numpy warns of.
    writable = np.require(image, requirements=('C', 'W'))
    return torch.from_numpy(writable).to(device).permute(2, 0, 1)[None]
