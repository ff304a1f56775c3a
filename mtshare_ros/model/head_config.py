"""How one task is decoded from the tokens."""

from dataclasses import dataclass, field

from mtshare_ros.config import require

LOCAL, LINEAR, DPT, GEOMETRY = 'local', 'linear', 'dpt', 'geometry'
HEAD_KINDS = (LOCAL, LINEAR, DPT, GEOMETRY)
ENCODINGS = ('', 'log_metres', 'metres', 'disparity')
SIDES = {LOCAL: (4,), LINEAR: (1, 4), DPT: (8, 14, 16), GEOMETRY: (1,)}
"""Pixels of a raw output along a side of a cell, by kind of head."""

_MOST_TAPS = 8
_LARGEST = {'channels': 1024, 'depth': 16, 'hidden': 8192, 'bins': 4096}
_LARGEST_DEPTH = 1000.0
"""Far above any head of the family; a damaged or hostile header may name any number."""


@dataclass(frozen=True)
class HeadConfig:
    """
    The decode head of one task.

    ``kind``: ``local`` (a pixel shuffle of projected tokens and ``depth`` 3x3 convolutions of
    ``channels``; with ``hidden`` > 0 tokens pass an MLP layer of that width first), ``linear``
    (one matrix for each token), ``dpt`` (the four-level decoder of Depth Anything: ``pyramid`` are
    the widths of its levels, ``channels`` that of the fusion, ``hidden`` that of its last layers)
    or ``geometry`` (no weights: the map is worked out from the depth map).

    ``taps`` are the blocks, counted from 1, whose output the head reads, none for the last one;
    ``normed`` says whether through the encoder's final norm, ``class_token`` whether the class
    token of each is read as well. ``side`` is the number of pixels of the raw output along a side
    of a cell, 0 for the usual one of the kind.

    ``encoding`` of a depth head says what its raw output is, empty for the natural logarithm of
    metres: ``metres``, or ``disparity``, an inverse depth of unknown scale and shift. Metres come
    from ``bins`` > 0 as the mean of so many depths, evenly spaced over ``depth_range``, or else as
    a share of its farther end.
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
        """Heads that make metres themselves need to know their range."""
        if self.encoding != 'metres':
            require(self.bins == 0, 'bins', self.bins, '0 unless the encoding is metres')
            return
        require(self.kind in (LINEAR, DPT), 'encoding', self.encoding,
                'for heads of kind linear or dpt')
        known = len(self.depth_range) == 2 and 0 <= self.depth_range[0] < self.depth_range[1]
        require(known and self.depth_range[1] <= _LARGEST_DEPTH, 'depth_range',
                list(self.depth_range), f'[nearest, farthest] in metres, up to {_LARGEST_DEPTH}')
