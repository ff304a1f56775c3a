"""Small networks and random changes for the tests of stem, heads and maps."""

import torch
from torch import nn

from mtshare_ros.model.architecture import ArchitectureConfig
from mtshare_ros.model.network import build_model

GRID = (6, 8)
TASKS = ('semseg', 'depth', 'normals', 'edge')


def make_network(**changes):
    """Return a network in evaluation mode whose batch norms do something."""
    torch.manual_seed(0)
    config = ArchitectureConfig(embed_dim=48, depth=1, num_heads=1, stem_channels=(8, 12, 16),
                                head_channels=12, input_size=(96, 128))
    network = build_model(
        ArchitectureConfig(**{**vars(config), **changes}), TASKS, label_count=7)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.3)
            nn.init.normal_(module.running_mean, 0, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return network.eval().requires_grad_(False)


def rows_of(mask):
    """Return the sorted rows (n,) of a mask."""
    return mask.flatten().nonzero()[:, 0]


def make_image(grid=GRID, seed=0):
    """Return a random (1, 3, H, W) uint8 image, laid out as a camera's."""
    generator = torch.Generator().manual_seed(seed)
    shape = (grid[0] * 16, grid[1] * 16, 3)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    return pixels.permute(2, 0, 1)[None]


def exchange(image, other, mask):
    """Return the image with the patches of a mask taken from another one."""
    pixels = mask.repeat_interleave(16, 0).repeat_interleave(16, 1)
    return torch.where(pixels, other, image)


def make_masks(grid=GRID):
    """Return masks by name: corners, edges, blobs, scattered patches, none and all."""
    masks = {name: torch.zeros(grid, dtype=torch.bool) for name in (
        'none', 'first corner', 'last corner', 'right edge', 'bottom edge', 'blob', 'scattered')}
    masks['first corner'][0, 0] = True
    masks['last corner'][-1, -1] = True
    masks['right edge'][1:3, -1] = True
    masks['bottom edge'][-1, 2:5] = True
    masks['blob'][1:4, 2:5] = True
    masks['scattered'][::2, 1::3] = True
    masks['all'] = torch.ones(grid, dtype=torch.bool)
    masks['all but one'] = masks['all'].clone()
    masks['all but one'][3, 3] = False
    return masks


MASKS = make_masks()
