"""What a gate's operators are called with, random but the same in every call."""

import torch

from mtshare_ros.sharing.change import NoiseEstimator
from mtshare_ros.sharing.noise_statistics import energies, Pooling, quantile_places
from mtshare_ros.sharing.pixel_maps import ReceptiveField
from mtshare_ros.sharing.static.fixed_lists import MaskRow, sources_of_patches, sources_of_pixels

GRID = (9, 13)
PATCHES = GRID[0] * GRID[1]
PIXELS = sources_of_pixels(GRID, 4, 2)


def gate_examples(halo: int = 1, seed: int = 0) -> dict[str, tuple]:
    """Return the arguments of each operator."""
    return {
        'score': score_example(seed), 'mark': mark_example(halo, seed),
        'spread': (marks(4 * PATCHES, seed).view(4, -1), PIXELS),
        'entries': entries_example((PATCHES, 40, PIXELS.shape[0]), (30, 7, 600), seed),
        'energies': energies_example(seed), 'adapt': adapt_example(seed),
        'take_image': image_example(16, seed), 'settle': settle_example(40, seed)}


def image_example(patch_size: int, seed: int) -> tuple:
    """Return what ``take_image`` takes, the image as the engine hands it on."""
    draw, pooling = torch.Generator().manual_seed(seed), Pooling.of(patch_size)
    height, width = (patches * patch_size for patches in GRID)
    image = torch.randint(0, 256, (height, width, 3), generator=draw, dtype=torch.uint8)
    cpu = torch.device('cpu')
    return (image.permute(2, 0, 1)[None], *torch.randn(2, PATCHES, 48, generator=draw),
            pooling.lines(cpu), pooling.matrix(cpu), *GRID)


def settle_example(count: int, seed: int) -> tuple:
    """Return what ``settle`` takes for so many patches, of which the last one is repeated."""
    draw = torch.Generator().manual_seed(seed)
    transmitted = torch.randperm(PATCHES, generator=draw)[:count].sort().values
    transmitted[-3:] = transmitted[-1:].clone()
    current, reference = torch.randn(2, PATCHES, 48, generator=draw)
    ages = torch.randint(0, 30, (PATCHES,), generator=draw, dtype=torch.int32)
    return (transmitted, current, reference, marks(PATCHES, seed), ages,
            torch.tensor(77, dtype=torch.int32))


def score_example(seed: int) -> tuple:
    """Return patches of which a third changed, in the dark, in the light and in between."""
    draw = torch.Generator().manual_seed(seed)
    brightness = torch.linspace(-20, 280, PATCHES)[torch.randperm(PATCHES, generator=draw)]
    current = brightness[:, None] + 9 * torch.randn(PATCHES, 48, generator=draw)
    change = torch.randn(PATCHES, 48, generator=draw) * (1 + 9 * (torch.arange(PATCHES) % 3 == 0))[
        :, None]
    log_variance = torch.randn(8, generator=draw)
    return (current, current + change, NoiseEstimator(current.device, Pooling.of(16)).rise,
            log_variance, None, 1.6)


def energies_example(seed: int) -> tuple:
    """Return what ``energies`` takes, of frames whose colours drifted."""
    draw = torch.Generator().manual_seed(seed)
    current, _, rise, log_variance, _, _ = score_example(seed)
    past = current + torch.randn(2, PATCHES, 48, generator=draw) + torch.tensor(
        [30.0, -5.0, 0.0]).repeat(16)
    estimator = NoiseEstimator(current.device, Pooling.of(16))
    return current, past, rise, log_variance, estimator.matrices, estimator.scale


def adapt_example(seed: int, *, noise: float = 1.0, silent: int = 0, moving: int = 0) -> tuple:
    """Return what ``adapt`` takes of patches with noise, where some are silent and some move."""
    current, past, rise, _, matrices, scale = energies_example(seed)
    past = current + noise * (past - current)
    generator = torch.Generator().manual_seed(seed)
    past[:, PATCHES - moving:] += 90 * torch.rand(48, generator=generator)
    past[:, :silent] = current[:silent]
    log_variance, steps = torch.zeros(8), torch.tensor(3.0)
    ratio, energy, weights = energies(current, past, rise, log_variance, matrices, scale)
    growth = energy.kthvalue(PATCHES // 4, dim=1).values
    return (ratio, energy, ratio.sort().values, growth, weights,
            quantile_places(PATCHES, ratio.device),
            NoiseEstimator(ratio.device, Pooling.of(16)).most, log_variance, steps, 4.0)


def mark_example(halo: int, seed: int) -> tuple:
    """Return what ``mark`` takes; the refresh turn is 3, or an age of 28."""
    draw = torch.Generator().manual_seed(seed)
    around = sources_of_patches(GRID, ReceptiveField(-1, 2) if halo else ReceptiveField(0, 1))
    return (2 * torch.rand(PATCHES, generator=draw) ** 4,
            torch.randint(0, 30, (PATCHES,), generator=draw),
            torch.randint(0, 30, (PATCHES,), generator=draw, dtype=torch.int32),
            torch.tensor([1.0, 3.0, 28.0, 0.0, 0.0, halo]), around,
            marks(PATCHES, seed + 1), marks(PATCHES, seed + 2))


def entries_example(lengths: tuple, sizes: tuple, seed: int) -> tuple:
    """Return what ``entries`` takes for lists of masks, where the second mask is empty."""
    row = MaskRow(dict(enumerate(lengths)), torch.device('cpu'))
    marked = marks(sum(lengths), seed)
    marked[lengths[0]:lengths[0] + lengths[1]] = False
    running = row.allocate()
    torch.cumsum(marked, 0, dtype=torch.int32, out=running[1:])
    table = row.table(enumerate(sizes))
    return running, table.bounds, table.ranks, row.numbers


def marks(count: int, seed: int) -> torch.Tensor:
    """Return a mask of which a tenth is true."""
    return torch.rand(count, generator=torch.Generator().manual_seed(seed)) < 0.1
