"""Maps averaged over time: what earlier frames said of a surface, and what the newest one says."""

from dataclasses import dataclass
from typing import Mapping

import torch
import torch.nn.functional as F

from mtshare_ros.config import require
from mtshare_ros.motion.kept_frames import Kind, kind_of

WEIGHT = 'weight'
"""The plane (H, W) that says for how many sure frames the average of a pixel stands."""

_CERTAIN = 255.0
"""The sureness of labels that come without one."""

_LEAST_CHANCE = 0.002
"""Probabilities count as this far from 0 and 1 at least: half of what a byte tells apart."""

_LEAST_SURENESS = 0.02
"""A frame counts for this much at least, so that no pixel is without any value."""

_SHORTEST = 1e-12
"""Keeps vectors that cancel out from being divided by nothing."""

_LARGEST_NOISE = 12.0
"""Grey levels beyond which a difference is none of the sensor's, however noisy it looks."""


@dataclass(frozen=True)
class FusionRules:
    """
    How far maps are averaged over time.

    An average stands for ``frames`` frames at most. What was carried along counts where the image
    is within ``grey_levels`` of what it should be, or within twice the usual difference where the
    sensor is noisier. Where distances differ by the share ``distance``, or normals by 1 - cosine
    ``turn``, it counts for 1/e.
    """

    frames: float = 8.0
    grey_levels: float = 3.0
    distance: float = 0.2
    turn: float = 0.2

    def __post_init__(self) -> None:
        """Raise ConfigError for values that make no sense."""
        require(self.frames >= 1, 'frames', self.frames, '1 or more')
        for name in ('grey_levels', 'distance', 'turn'):
            require(getattr(self, name) > 0, name, getattr(self, name), 'more than 0')


def planes_for(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of what must be carried along beside maps to fuse them."""
    sureness = (_sureness_name(name) for name in names if _is_labels(name))
    return (WEIGHT, *(name for name in sureness if name not in names))


def still_alike(
    differences: torch.Tensor, seen: torch.Tensor, rules: FusionRules = FusionRules()
) -> torch.Tensor:
    """
    Return where (H, W) bool the image shows what earlier frames tell of it.

    ``differences`` (h, w) are those of areas of the image from what it should be, in grey levels;
    ``seen`` (H, W) bool is what earlier frames saw. A thing that moves on its own is not alike.
    """
    usual = 2 * differences.median()
    limit = usual.clamp(rules.grey_levels, max(rules.grey_levels, _LARGEST_NOISE))
    alike = (differences <= limit).float()[None, None]
    return (F.interpolate(alike, size=seen.shape, mode='nearest')[0, 0] > 0) & seen


def begin(new: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the maps of a frame that builds on nothing, with the planes to fuse others with."""
    sureness = {_sureness_name(name): _sureness(new, name) for name in new if _is_labels(name)}
    return {**new, **sureness, WEIGHT: _sureness_of_frame(new)}


def fuse(
    old: Mapping[str, torch.Tensor], new: Mapping[str, torch.Tensor], alike: torch.Tensor,
    rules: FusionRules = FusionRules(), border: torch.Tensor | None = None,
) -> dict[str, torch.Tensor]:
    """
    Return maps and planes that say what both the earlier frames and the newest one do.

    ``old`` are maps and planes of a view carried along, ``new`` the maps that the network gives
    of it, each (H, W) or (H, W, C) by the names of ``Prediction``; both see the same where
    ``alike`` (H, W) is true. Elsewhere, and where either is not finite, the new ones stand.
    ``border`` (H, W) is how much the old ones count at least, see ``border_share``.
    """
    trust = _trust(old, new, alike, rules)
    kept = old[WEIGHT].clamp(max=rules.frames - 1) * trust
    fresh = _sureness_of_frame(new)
    weight = kept + fresh
    share = kept / weight
    if border is not None:
        share = torch.maximum(share, border * trust)
    fused = {WEIGHT: weight.clamp_(max=rules.frames)}
    for name in new:
        if _is_labels(name):
            fused.update(_surer_labels(name, old, new, share))
        elif name != 'confidence':
            fused[name] = _mean(name, old[name], new[name], share)
    return fused


def join(
    old: Mapping[str, torch.Tensor], new: Mapping[str, torch.Tensor], alike: torch.Tensor,
    border: torch.Tensor, rules: FusionRules = FusionRules(),
) -> dict[str, torch.Tensor]:
    """
    Return new maps that pass into old ones where both see the same surface; see ``fuse``.

    ``border`` (H, W) is how much the old ones count, see ``border_share``; where they do not, and
    for labels everywhere, the new ones stand as they are.
    """
    near = ((border > 0) & alike).flatten().nonzero()[:, 0]
    before, now = ({name: maps[name].flatten(0, 1).index_select(0, near)[:, None] for name in new}
                   for maps in (old, new))
    share = border.flatten().index_select(0, near)[:, None]
    share = share * _trust(before, now, share > 0, rules)
    return {name: values if kind_of(name) == Kind.LABELS
            else _with(values, near, _mean(name, before[name], now[name], share)[:, 0])
            for name, values in new.items()}


def _with(values: torch.Tensor, pixels: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Return a map (H, W, ...) in which pixels (n,) have other values (n, ...)."""
    found = values.to(others.dtype, copy=True)
    found.flatten(0, 1).index_copy_(0, pixels, others)
    return found


def _trust(
    old: Mapping[str, torch.Tensor], new: Mapping[str, torch.Tensor], alike: torch.Tensor,
    rules: FusionRules,
) -> torch.Tensor:
    """Return how far earlier frames and the newest one see the same surface: (H, W), 0 to 1."""
    trust = alike.float()
    for name in new:
        trust = trust * _agreement(name, old[name], new[name], rules)
    return trust.nan_to_num_(0.0)


def _is_labels(name: str) -> bool:
    return name != 'confidence' and kind_of(name) == Kind.LABELS


def _sureness_name(labels: str) -> str:
    """Return the name of the plane that says how sure labels are."""
    return 'confidence' if labels == 'mask' else f'{labels}_sureness'


def _sureness(maps: Mapping[str, torch.Tensor], labels: str) -> torch.Tensor:
    """Return how sure the labels of maps are (H, W), 0 to 255."""
    found = maps.get(_sureness_name(labels))
    return torch.full_like(maps[labels], _CERTAIN) if found is None else found


def _sureness_of_frame(new: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """
    Return by how much each pixel (H, W) of a frame counts, up to about 1.

    Where a network is unsure of the class, at the borders of things and of the image, its other
    maps are poorer too.
    """
    if 'confidence' in new:
        return (new['confidence'].float() / _CERTAIN).square_().add_(_LEAST_SURENESS)
    some = next(iter(new.values()))
    return torch.ones(some.shape[:2], device=some.device)


def _agreement(
    name: str, old: torch.Tensor, new: torch.Tensor, rules: FusionRules
) -> torch.Tensor | float:
    """Return how far two maps see the same surface: (H, W), 0 to 1."""
    kind = kind_of(name)
    if kind in (Kind.DISTANCE, Kind.SURFACE):
        middle = (old.abs() + new.abs()).mul_(0.5 * rules.distance)
        return ((old - new) / middle).square_().neg_().exp_()
    if kind == Kind.DIRECTION:
        turn = (_planes(old) * _planes(new)).sum(dim=0).neg_().add_(1)
        return turn.div_(rules.turn).square_().neg_().exp_()
    return 1.0


def _mean(name: str, old: torch.Tensor, new: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Return the mean of two maps; ``share`` (H, W) is how much the old one counts."""
    kind = kind_of(name)
    if kind == Kind.DIRECTION:
        planes = _between(_planes(old), _planes(new), share)
        # vector_norm across planes takes ten times as long
        length = planes.square().sum(dim=0).sqrt_().clamp_(min=_SHORTEST)
        return (planes / length).permute(1, 2, 0)
    if kind == Kind.VALUE:
        # the odds are averaged: a mean of probabilities is less sharp than either
        return torch.sigmoid(_between(_odds(old), _odds(new), share)).mul_(_CERTAIN)
    return _between(old, new, share)


def _planes(vectors: torch.Tensor) -> torch.Tensor:
    """Return the components (C, H, W) of vectors (H, W, C), each in one piece of memory."""
    return vectors.permute(2, 0, 1).contiguous()


def _between(old: torch.Tensor, new: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    return (old - new).nan_to_num_(0.0, 0.0, 0.0).mul_(share).add_(new)


def _odds(probability: torch.Tensor) -> torch.Tensor:
    """Return the logarithm of the odds of a probability that is kept as 0 to 255."""
    return torch.logit(probability / _CERTAIN, eps=_LEAST_CHANCE)


def _surer_labels(
    name: str, old: Mapping[str, torch.Tensor], new: Mapping[str, torch.Tensor],
    share: torch.Tensor,
) -> dict[str, torch.Tensor]:
    """
    Return the labels that are surer, and how sure they are.

    Labels that agree are as sure as both on average; where they differ, what speaks for the one
    speaks against the other.
    """
    before = share * _sureness(old, name)
    now = (1 - share) * _sureness(new, name)
    same = old[name] == new[name]
    sureness = torch.where(same, before + now, (before - now).abs_()).round_()
    labels = torch.where(before > now, old[name], new[name])
    return {name: labels, _sureness_name(name): sureness.to(torch.uint8)}


REACH = 6
"""Pixels from the border of what is computed within which it passes into what lies beside it."""


def border_share(where: torch.Tensor) -> torch.Tensor:
    """
    Return how much (H, W), 0 to 1, carried values count where (H, W) bool new ones are computed.

    It is 1 at a straight border and falls to 0 within ``REACH`` pixels.
    """
    inside = where[::2, ::2].float()[None, None]  # smooth enough at half the size
    for sides in ((REACH - 1, 1), (1, REACH - 1)):
        padding = sides[0] // 2, sides[1] // 2
        inside = F.avg_pool2d(inside, sides, 1, padding, count_include_pad=False)
    large = F.interpolate(inside, size=where.shape, mode='bilinear', align_corners=False)
    return large[0, 0].mul_(-2).add_(2).clamp_(0, 1)
