"""The shape of the network."""

from dataclasses import dataclass

from mtshare_ros.config import require

STEMS = ('conv', 'patch')
POSITIONS = ('rope', 'absolute')

PATCH_SIZE = 16
"""Pixels a token spans in each direction; every shape of the family has the same."""


LARGEST = {'embed_dim': 4096, 'depth': 64, 'num_heads': 64, 'head_channels': 1024}
LARGEST_HEAD_DEPTH = 16
"""Far above any network of the family; a damaged or hostile header may name any number."""
LARGEST_SIDE = 4096
LARGEST_MLP_RATIO = 16.0


def check_input_size(size: tuple[int, ...]) -> tuple[int, int]:
    """Return (height, width) where it is two positive multiples of 16, else raise ConfigError."""
    good = len(size) == 2 and all(
        0 < side <= LARGEST_SIDE and side % PATCH_SIZE == 0 for side in size)
    require(good, 'input_size', list(size),
             f'[height, width], both positive multiples of {PATCH_SIZE} up to {LARGEST_SIDE}')
    return size[0], size[1]


@dataclass(frozen=True)
class ArchitectureConfig:
    """
    The shape of the network; together with the tasks it decides every weight's size.

    ``stem``: ``conv`` (four strided 3x3 convolutions that also feed the heads) or ``patch`` (one
    16x16 projection, as in timm). ``position``: ``rope`` (rotary, relative) or ``absolute``
    (a learnt table for the grid of ``input_size``, interpolated elsewhere).
    ``shared_blocks``: how many of the first blocks all tasks share; above them every sub-task has
    blocks of its own. -1: all of them.
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
        require(1 / self.embed_dim <= self.mlp_ratio <= LARGEST_MLP_RATIO, 'mlp_ratio',
                self.mlp_ratio, f'1 / embed_dim to {LARGEST_MLP_RATIO}')
        require(self.embed_dim % (4 * self.num_heads) == 0, 'embed_dim', self.embed_dim,
                 f'a multiple of 4 x num_heads = {4 * self.num_heads}')
        largest_width = LARGEST['embed_dim']
        require(len(self.stem_channels) == 3
                and all(1 <= width <= largest_width for width in self.stem_channels),
                'stem_channels', self.stem_channels,
                f'three widths up to {largest_width}, at 1/2, 1/4 and 1/8 of the input')
        check_input_size(self.input_size)
        require(-1 <= self.shared_blocks <= self.depth, 'shared_blocks', self.shared_blocks,
                f'-1 (all blocks) or 0 to depth = {self.depth}')

    @property
    def shared_depth(self) -> int:
        """How many blocks all tasks share, 0 to ``depth``."""
        return self.depth if self.shared_blocks == -1 else self.shared_blocks


ARCHITECTURES = {
    'vit_t': ArchitectureConfig(),
    'vit_s': ArchitectureConfig(embed_dim=384, num_heads=6),
    'vit_b': ArchitectureConfig(embed_dim=768, num_heads=12),
}
