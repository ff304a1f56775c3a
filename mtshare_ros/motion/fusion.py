"""Maps averaged over time, and new maps that blend into carried ones at their border."""

from dataclasses import dataclass
from typing import Mapping

import torch
import torch.nn.functional as F

from mtshare_ros.config import require
from mtshare_ros.motion.kept_frames import Kind, kind_of

WEIGHT = 'weight'
"""The plane (H, W) of how many frames the average of a pixel counts as."""

_CERTAIN = 255.0
"""The confidence of labels that come without one."""

_LEAST_CHANCE = 0.002
"""Least distance of a probability from 0 and 1: half a step of a byte."""

_LEAST_WEIGHT = 0.02
"""Least weight of a frame, so that every pixel has a value."""

_SHORTEST = 1e-12
"""Least length that is divided by, for vectors that cancel out."""

_LARGEST_NOISE = 12.0
"""Gray levels; larger differences are never taken for noise of the sensor."""


BORDER_WIDTH = 6
"""Pixels from the border of what is computed over which new values blend into carried ones."""


@dataclass(frozen=True)
class FusionRules:
    """
    How far maps are averaged over time.

    An average counts as at most ``frames`` frames. Carried values count where the image is within
    ``grey_levels`` of what is expected, or within twice the median difference where the sensor is
    noisier. Where distances differ by the share ``distance``, or normals by 1 - cosine ``turn``,
    they count 1/e as much.
    """

    frames: float = 8.0
    grey_levels: float = 3.0
    distance: float = 0.2
    turn: float = 0.2

    def __post_init__(self) -> None:
        """Raise ConfigError for values out of range."""
        require(self.frames >= 1, 'frames', self.frames, '1 or more')
        for name in ('grey_levels', 'distance', 'turn'):
            require(getattr(self, name) > 0, name, getattr(self, name), 'more than 0')


def planes_for(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the planes that must be carried along with maps to fuse them."""
    confidences = (_confidence_name(name) for name in names if _is_labels(name))
    return (WEIGHT, *(name for name in confidences if name not in names))


def still_alike(
    differences: torch.Tensor, seen: torch.Tensor, rules: FusionRules = FusionRules()
) -> torch.Tensor:
    """
    Return where (H, W) bool the image shows what earlier frames let expect.

    ``differences`` (h, w) are those of areas of the image from the expected image, in gray levels;
    ``seen`` (H, W) bool is what earlier frames saw. A thing that moves by itself is not alike.
    """
    usual = 2 * differences.median()
    threshold = usual.clamp(rules.grey_levels, max(rules.grey_levels, _LARGEST_NOISE))
    alike = (differences <= threshold).float()[None, None]
    return (F.interpolate(alike, size=seen.shape, mode='nearest')[0, 0] > 0) & seen


def begin(new: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the maps of a first frame, with the planes that later fusion needs."""
    confidences = {
        _confidence_name(name): _confidence(new, name) for name in new if _is_labels(name)}
    return {**new, **confidences, WEIGHT: _frame_weight(new)}


def fuse(
    old: Mapping[str, torch.Tensor], new: Mapping[str, torch.Tensor], alike: torch.Tensor,
    rules: FusionRules = FusionRules(), border: torch.Tensor | None = None,
) -> dict[str, torch.Tensor]:
    """
    Return maps and planes that average the earlier frames and the newest one.

    ``old`` are the maps and planes carried to a view, ``new`` the maps that the network computed
    for it, each (H, W) or (H, W, C) by its name in ``Prediction``. They are averaged where
    ``alike`` (H, W) is true; elsewhere, and where either is not finite, the new ones are returned.
    ``border`` (H, W) is the least share of the old ones, see ``border_share``.
    """
    trust = _trust(old, new, alike, rules)
    # the newest frame is one of those that an average counts as
    kept = old[WEIGHT].clamp(max=rules.frames - 1) * trust
    fresh = _frame_weight(new)
    weight = kept + fresh
    share = kept / weight
    if border is not None:
        share = torch.maximum(share, border * trust)
    # overwritten only here, because the share is of the whole weight
    fused = {WEIGHT: weight.clamp_(max=rules.frames)}
    for name in new:
        if _is_labels(name):
            fused.update(_likelier_labels(name, old, new, share))
        elif name != 'confidence':
            fused[name] = _mean(name, old[name], new[name], share)
    return fused


def join(
    old: Mapping[str, torch.Tensor], new: Mapping[str, torch.Tensor], alike: torch.Tensor,
    border: torch.Tensor, rules: FusionRules = FusionRules(),
) -> dict[str, torch.Tensor]:
    """
    Return new maps that blend into old ones where both see the same surface; see ``fuse``.

    ``border`` (H, W) is the share of the old ones, see ``border_share``. Where it is 0, and for
    labels everywhere, the new ones are returned as they are.
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
    """Return a map (H, W, ...) in which the pixels (n,) have other values (n, ...)."""
    found = values.to(others.dtype, copy=True)
    found.flatten(0, 1).index_copy_(0, pixels, others)
    return found


def _trust(
    old: Mapping[str, torch.Tensor], new: Mapping[str, torch.Tensor], alike: torch.Tensor,
    rules: FusionRules,
) -> torch.Tensor:
    """Return how likely earlier frames and the newest one see the same surface: (H, W), 0 to 1."""
    trust = alike.float()
    for name in new:
        trust = trust * _agreement(name, old[name], new[name], rules)
    return trust.nan_to_num_(0.0)


def _is_labels(name: str) -> bool:
    return name != 'confidence' and kind_of(name) == Kind.LABELS


def _confidence_name(labels: str) -> str:
    """Return the name of the plane of the confidence of labels."""
    return 'confidence' if labels == 'mask' else f'{labels}_confidence'


def _confidence(maps: Mapping[str, torch.Tensor], labels: str) -> torch.Tensor:
    """Return the confidence of labels (H, W), 0 to 255."""
    found = maps.get(_confidence_name(labels))
    return torch.full_like(maps[labels], _CERTAIN) if found is None else found


def _frame_weight(new: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """
    Return the weight of each pixel (H, W) of a frame, up to about 1.

    Where a network is unsure of the class, at the borders of things and of the image, its other
    maps are less accurate too.
    """
    if 'confidence' in new:
        return (new['confidence'].float() / _CERTAIN).square_().add_(_LEAST_WEIGHT)
    some = next(iter(new.values()))
    return torch.ones(some.shape[:2], device=some.device)


def _agreement(
    name: str, old: torch.Tensor, new: torch.Tensor, rules: FusionRules
) -> torch.Tensor | float:
    """Return how likely two maps show the same surface: (H, W), 0 to 1."""
    kind = kind_of(name)
    if kind in (Kind.DISTANCE, Kind.SURFACE):
        middle = (old.abs() + new.abs()).mul_(0.5 * rules.distance)
        return ((old - new) / middle).square_().neg_().exp_()
    if kind == Kind.DIRECTION:
        turn = (_planes(old) * _planes(new)).sum(dim=0).neg_().add_(1)
        return turn.div_(rules.turn).square_().neg_().exp_()
    return 1.0


def _mean(name: str, old: torch.Tensor, new: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Return the mean of two maps; ``share`` (H, W) is the share of the old one."""
    kind = kind_of(name)
    if kind == Kind.DIRECTION:
        planes = _between(_planes(old), _planes(new), share)
        # vector_norm across planes takes ten times as long
        length = planes.square().sum(dim=0).sqrt_().clamp_(min=_SHORTEST)
        return (planes / length).permute(1, 2, 0)
    if kind == Kind.VALUE:
        # odds are averaged, because a mean of probabilities is less sharp than either
        return torch.sigmoid(_between(_odds(old), _odds(new), share)).mul_(_CERTAIN)
    return _between(old, new, share)


def _planes(vectors: torch.Tensor) -> torch.Tensor:
    """Return the components of vectors (H, W, C) as contiguous planes (C, H, W)."""
    return vectors.permute(2, 0, 1).contiguous()


def _between(old: torch.Tensor, new: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    # from the new value, which stays as it is where the old one is unknown
    return (old - new).nan_to_num_(0.0, 0.0, 0.0).mul_(share).add_(new)


def _odds(probability: torch.Tensor) -> torch.Tensor:
    """Return the logarithm of the odds of a probability given as 0 to 255."""
    return torch.logit(probability / _CERTAIN, eps=_LEAST_CHANCE)


def _likelier_labels(
    name: str, old: Mapping[str, torch.Tensor], new: Mapping[str, torch.Tensor],
    share: torch.Tensor,
) -> dict[str, torch.Tensor]:
    """
    Return the labels of the higher confidence, and their confidence.

    Labels that agree have the mean confidence; where they differ, the confidence of the one is
    lowered by that of the other.
    """
    before = share * _confidence(old, name)
    now = (1 - share) * _confidence(new, name)
    same = old[name] == new[name]
    confidence = torch.where(same, before + now, (before - now).abs_()).round_()
    labels = torch.where(before > now, old[name], new[name])
    return {name: labels, _confidence_name(name): confidence.to(torch.uint8)}


def border_share(where: torch.Tensor) -> torch.Tensor:
    """
    Return the share (H, W), 0 to 1, of carried values in pixels that are computed (H, W) bool.

    It is 1 at a straight border of the computed pixels and falls to 0 over BORDER_WIDTH pixels.
    """
    inside = where[::2, ::2].float()[None, None]  # smooth enough at half the size
    for sides in ((BORDER_WIDTH - 1, 1), (1, BORDER_WIDTH - 1)):
        padding = sides[0] // 2, sides[1] // 2
        inside = F.avg_pool2d(inside, sides, 1, padding, count_include_pad=False)
    large = F.interpolate(inside, size=where.shape, mode='bilinear', align_corners=False)
    return large[0, 0].mul_(-2).add_(2).clamp_(0, 1)
