"""The shape of the network and of its decode heads."""

from dataclasses import dataclass, field
import math

from mtshare_ros.config import require

STEMS = ('conv', 'patch')
POSITIONS = ('rope', 'rope_centred', 'absolute')
INTERPOLATIONS = ('bicubic', 'bicubic_antialias', 'bicubic_offset', 'bilinear_antialias')
PATCH_SIZES = (14, 16)
PATCH_SIZE = 16
"""Pixels along a side of a patch, unless a network names another size."""

IMAGE_MEAN = (123.675, 116.28, 103.53)
IMAGE_STD = (58.395, 57.12, 57.375)
"""Mean and standard deviation of ImageNet in 8-bit RGB, which most backbones expect."""

LARGEST = {'embed_dim': 4096, 'depth': 64, 'num_heads': 64, 'head_channels': 1024}
LARGEST_HEAD_DEPTH = 16
"""Bounds far above any real network: a damaged or hostile header may name any number."""
LARGEST_SIDE = 4096
LARGEST_MLP_RATIO = 16.0
_MOST_REGISTERS = 64
_LARGEST_GRID = 256
_LARGEST_NORM_EPS = 1e-3

LOCAL, LINEAR, DPT, GEOMETRY = 'local', 'linear', 'dpt', 'geometry'
HEAD_KINDS = (LOCAL, LINEAR, DPT, GEOMETRY)
ENCODINGS = ('', 'log_metres', 'metres', 'disparity')
SIDES = {LOCAL: (4,), LINEAR: (1, 4), DPT: (8, 14, 16), GEOMETRY: (1,)}
"""Pixels of a raw output along a side of a patch, by kind of head."""

_MOST_TAPS = 8
_LARGEST = {'channels': 1024, 'depth': 16, 'hidden': 8192, 'bins': 4096}
_LARGEST_DEPTH = 1000.0
"""Bounds far above any real head, for the same reason."""


@dataclass(frozen=True)
class HeadConfig:
    """
    The decode head of one task.

    ``kind``: ``local`` (a pixel shuffle of projected tokens and ``depth`` 3x3 convolutions of
    ``channels``; with ``hidden`` > 0 tokens pass an MLP layer of that width first), ``linear``
    (one matrix for each token), ``dpt`` (the four-level decoder of Depth Anything: ``pyramid`` are
    the widths of its levels, ``channels`` that of the fusion, ``hidden`` that of its last layers)
    or ``geometry`` (no weights: the map is worked out from the depth map).

    ``taps`` are the numbers, from 1, of the blocks whose output the head reads; without any it
    reads that of the last block. With ``normed`` the encoder's final norm is applied to them
    first; with ``class_token`` the head also reads the class token of each. ``side`` is the number
    of pixels of the raw output along a side of a patch, 0 for the default of the kind.

    ``encoding`` says what the raw output of a depth head is: the natural logarithm of metres if it
    is empty, ``metres``, or ``disparity``, an inverse depth of unknown scale and shift. With
    ``bins`` > 0, metres are a weighted mean of that many depths, evenly spaced over
    ``depth_range``; without bins they are a share of the farthest depth.
    """

    kind: str = LOCAL
    taps: tuple[int, ...] = ()
    normed: bool = True
    class_token: bool = False
    side: int = 0
    channels: int = 48
    depth: int = 2
    hidden: int = 0
    pyramid: tuple[int, ...] = field(default=())
    encoding: str = ''
    bins: int = 0
    depth_range: tuple[float, ...] = field(default=())

    def __post_init__(self) -> None:
        """Raise ConfigError for values no head can be built from."""
        require(self.kind in HEAD_KINDS, 'kind', self.kind, f'one of {", ".join(HEAD_KINDS)}')
        require(len(self.taps) <= _MOST_TAPS and tuple(sorted(set(self.taps))) == self.taps,
                'taps', list(self.taps), f'at most {_MOST_TAPS} numbers of blocks, ascending')
        for name, largest in _LARGEST.items():
            least = 1 if name == 'channels' else 0
            value = getattr(self, name)
            require(least <= value <= largest, name, value, f'{least} to {largest}')
        require(self.side in (0, *SIDES[self.kind]), 'side', self.side,
                f'one of {", ".join(map(str, SIDES[self.kind]))} for a head of kind {self.kind}')
        require(self.encoding in ENCODINGS, 'encoding', self.encoding,
                f'one of {", ".join(map(repr, ENCODINGS))}')
        self._check_pyramid()
        self._check_metres()

    def _check_pyramid(self) -> None:
        if self.kind != DPT:
            return
        require(len(self.taps) == 4, 'taps', list(self.taps), 'four blocks for a dpt head')
        good = len(self.pyramid) == 4 and all(
            1 <= width <= 4 * _LARGEST['channels'] for width in self.pyramid)
        require(good, 'pyramid', list(self.pyramid),
                f'four widths of 1 to {4 * _LARGEST["channels"]} for a dpt head')

    def _check_metres(self) -> None:
        """Require a depth range of heads whose raw output is metres, and no bins of others."""
        if self.encoding != 'metres':
            require(self.bins == 0, 'bins', self.bins, '0 unless the encoding is metres')
            return
        require(self.kind in (LINEAR, DPT), 'encoding', self.encoding,
                'for heads of kind linear or dpt')
        known = len(self.depth_range) == 2 and 0 <= self.depth_range[0] < self.depth_range[1]
        require(known and self.depth_range[1] <= _LARGEST_DEPTH, 'depth_range',
                list(self.depth_range), f'[nearest, farthest] in metres, up to {_LARGEST_DEPTH}')


def check_input_size(size: tuple[int, ...], *patch_sizes: int) -> tuple[int, int]:
    """
    Return ``size`` as (height, width); raise ConfigError unless it is whole patches.

    Patches may have any of ``patch_sizes`` or, without any, of PATCH_SIZES.
    """
    allowed = patch_sizes or PATCH_SIZES
    require(any(fits_patches(size, patch_size) for patch_size in allowed), 'input_size',
            list(size), '[height, width], both positive multiples of the patch size '
            f'{" or ".join(map(str, allowed))} up to {LARGEST_SIDE}')
    return size[0], size[1]


def fits_patches(size: tuple[int, ...], patch_size: int) -> bool:
    """Tell whether a size is (height, width), whole patches and at most LARGEST_SIDE each."""
    return len(size) == 2 and all(
        0 < side <= LARGEST_SIDE and side % patch_size == 0 for side in size)


def nearest_input_size(size: tuple[int, ...], patch_size: int) -> tuple[int, int]:
    """Return the (height, width) of whole patches that is nearest to a size."""
    most = LARGEST_SIDE // patch_size
    height, width = (patch_size * min(max(round(side / patch_size), 1), most) for side in size[:2])
    return height, width


@dataclass(frozen=True)
class ArchitectureConfig:
    """
    The shape of the network; together with the tasks it determines the shape of every weight.

    ``stem``: ``conv`` (four strided 3x3 convolutions that also feed the heads) or ``patch`` (one
    projection of a patch of ``patch_size`` pixels a side, as in timm). ``position``: ``rope``
    (rotary, relative), ``rope_centred`` (rotary, of patch centres from -1 to 1 on either axis, as
    in DINOv3) or ``absolute`` (a learnt table for ``position_grid``, rows and columns, or else for
    the grid of ``input_size``; interpolated for other grids by ``position_interpolation``).
    ``class_token`` and ``register_tokens`` add tokens that have no patch, the prefix tokens.

    ``shared_blocks``: how many of the first blocks all tasks share; above them every sub-task has
    blocks of its own. -1: all of them. ``norm_eps`` is that of every layer norm; ``image_mean``
    and ``image_std`` normalise 8-bit RGB. ``heads`` are by task; a task that is not in it has a
    local head of ``head_channels`` and ``head_depth``.
    """

    embed_dim: int = 192
    depth: int = 12
    num_heads: int = 3
    mlp_ratio: float = 4.0
    stem: str = 'conv'
    position: str = 'rope'
    stem_channels: tuple[int, ...] = (32, 64, 128)
    head_channels: int = 48
    head_depth: int = 2
    input_size: tuple[int, ...] = (240, 320)
    shared_blocks: int = -1
    patch_size: int = PATCH_SIZE
    class_token: bool = False
    register_tokens: int = 0
    position_grid: tuple[int, ...] = ()
    position_interpolation: str = 'bicubic'
    norm_eps: float = 1e-6
    image_mean: tuple[float, ...] = IMAGE_MEAN
    image_std: tuple[float, ...] = IMAGE_STD
    heads: dict[str, HeadConfig] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise ConfigError for values no network can be built from."""
        require(self.stem in STEMS, 'stem', self.stem, f'one of {", ".join(STEMS)}')
        require(self.position in POSITIONS, 'position', self.position,
                 f'one of {", ".join(POSITIONS)}')
        for name, largest in LARGEST.items():
            value = getattr(self, name)
            require(1 <= value <= largest, name, value, f'1 to {largest}')
        require(0 <= self.head_depth <= LARGEST_HEAD_DEPTH, 'head_depth', self.head_depth,
                f'0 to {LARGEST_HEAD_DEPTH}')
        # below 1 / embed_dim the hidden layer would have no unit
        require(1 / self.embed_dim <= self.mlp_ratio <= LARGEST_MLP_RATIO, 'mlp_ratio',
                self.mlp_ratio, f'1 / embed_dim to {LARGEST_MLP_RATIO}')
        # RotaryTable rotates the quarters of every attention head
        require(self.embed_dim % (4 * self.num_heads) == 0, 'embed_dim', self.embed_dim,
                 f'a multiple of 4 x num_heads = {4 * self.num_heads}')
        largest_width = LARGEST['embed_dim']
        require(len(self.stem_channels) == 3
                and all(1 <= width <= largest_width for width in self.stem_channels),
                'stem_channels', self.stem_channels,
                f'three widths up to {largest_width}, at 1/2, 1/4 and 1/8 of the input')
        self._check_patches()
        check_input_size(self.input_size, self.patch_size)
        self._check_positions()
        self._check_image()
        require(-1 <= self.shared_blocks <= self.depth, 'shared_blocks', self.shared_blocks,
                f'-1 (all blocks) or 0 to depth = {self.depth}')
        for task, head in self.heads.items():
            self._check_head(task, head)

    def _check_patches(self) -> None:
        require(self.patch_size in PATCH_SIZES, 'patch_size', self.patch_size,
                f'one of {", ".join(map(str, PATCH_SIZES))}')
        require(self.stem == 'patch' or self.patch_size == PATCH_SIZE, 'patch_size',
                self.patch_size, f'{PATCH_SIZE} with a convolutional stem')
        require(0 <= self.register_tokens <= _MOST_REGISTERS, 'register_tokens',
                self.register_tokens, f'0 to {_MOST_REGISTERS}')

    def _check_positions(self) -> None:
        require(self.position_interpolation in INTERPOLATIONS, 'position_interpolation',
                self.position_interpolation, f'one of {", ".join(INTERPOLATIONS)}')
        good = len(self.position_grid) in (0, 2) and all(
            1 <= side <= _LARGEST_GRID for side in self.position_grid)
        require(good, 'position_grid', list(self.position_grid),
                f'[rows, columns] of 1 to {_LARGEST_GRID}, or none for those of input_size')

    def _check_image(self) -> None:
        require(0 < self.norm_eps <= _LARGEST_NORM_EPS, 'norm_eps', self.norm_eps,
                f'above 0 and up to {_LARGEST_NORM_EPS}')
        for name, least in (('image_mean', 0.0), ('image_std', 1e-3)):
            values = getattr(self, name)
            require(len(values) == 3 and all(
                math.isfinite(value) and least <= value <= 255 for value in values), name,
                list(values), f'three numbers of {least} to 255, for red, green and blue')

    def _check_head(self, task: str, head: HeadConfig) -> None:
        require(all(1 <= tap <= self.depth for tap in head.taps), f'heads.{task}.taps',
                list(head.taps), f'blocks from 1 to depth = {self.depth}')
        require(self.class_token or not head.class_token, f'heads.{task}.class_token',
                head.class_token, 'false in a network without a class token')
        fits = head.side <= max(8, self.patch_size)
        require(fits, f'heads.{task}.side', head.side, f'at most the patch size {self.patch_size}')

    @property
    def prefix_tokens(self) -> int:
        """P, the number of prefix tokens: the class token and the register tokens."""
        return int(self.class_token) + self.register_tokens

    @property
    def table_grid(self) -> tuple[int, int]:
        """Rows and columns of the table of absolute positions."""
        rows, columns = self.position_grid or self.grid_of(self.input_size)
        return rows, columns

    def grid_of(self, size: tuple[int, ...]) -> tuple[int, int]:
        """Return rows and columns of the patches of an image (height, width)."""
        return size[0] // self.patch_size, size[1] // self.patch_size

    def head_of(self, task: str) -> HeadConfig:
        """Return the configuration of a task's decode head."""
        return self.heads.get(task) or HeadConfig(
            channels=self.head_channels, depth=self.head_depth)

    @property
    def relative_depth(self) -> bool:
        """Whether depth is a disparity without scale and shift, which gives no metres."""
        return self.head_of('depth').encoding == 'disparity'

    def taps_of(self, head: HeadConfig) -> tuple[int, ...]:
        """Return the blocks, counted from 1, whose output a head reads."""
        return head.taps or (self.depth,)

    def side_of(self, head: HeadConfig) -> int:
        """Return the pixels of a head's raw output along a side of a patch."""
        usual = self.patch_size if head.kind == DPT else SIDES[head.kind][0]
        return head.side or usual

    @property
    def shared_depth(self) -> int:
        """How many blocks all tasks share, 0 to ``depth``."""
        return self.depth if self.shared_blocks == -1 else self.shared_blocks


ARCHITECTURES = {
    'vit_t': ArchitectureConfig(),
    'vit_s': ArchitectureConfig(embed_dim=384, num_heads=6),
    'vit_b': ArchitectureConfig(embed_dim=768, num_heads=12),
}
