"""Edges where depth, the surface's direction or the class changes in one step."""

import torch

DEPTH_STEP = 0.17
"""Step of depth, as a share of it, that is an edge with a probability of one half."""

NORMAL_STEP = 0.6
"""The same for the distance of two unit normals: 35 degrees."""

_LABEL_ODDS = 9.0
"""How much likelier than not an edge is where the class changes."""

_LEAST_FLOOR = 1e-12
"""Keeps a step from being relative to nothing."""

_LEAST_ODDS, _MOST_ODDS = 1e-3, 1e3


def edge_logits(
    inverse: torch.Tensor, radius: int, *, floor: torch.Tensor,
    normals: torch.Tensor | None = None, labels: torch.Tensor | None = None,
) -> torch.Tensor:
    """
    Return the logit of an edge for every pixel: (n, h, w).

    ``inverse`` (n, h + 4 radius, w + 4 radius) are inverse depths, 0 where nothing is known, where
    no step is seen; a step is relative to the nearer side, or to ``floor`` () where that is
    larger.
    ``normals`` (n, 3, h + 2, w + 2) are unit vectors, ``labels`` (n, h + 2, w + 2) classes.
    """
    odds = (depth_steps(inverse, radius, floor) / DEPTH_STEP).square()
    if normals is not None:
        odds = torch.maximum(odds, (_normal_steps(normals) / NORMAL_STEP).square())
    if labels is not None:
        odds = torch.maximum(odds, _label_steps(labels) * _LABEL_ODDS)
    return odds.clamp(_LEAST_ODDS, _MOST_ODDS).log()


def depth_steps(inverse: torch.Tensor, radius: int, floor: torch.Tensor) -> torch.Tensor:
    """
    Return the largest relative step of depth beside each pixel: (n, h, w), as ``edge_logits``.

    It is what neither side, going on as a plane, explains, so slanted surfaces have none.
    """
    steps = [_steps_along(inverse, axis, radius, floor) for axis in (1, 2)]
    return torch.stack([side for pair in steps for side in pair]).amax(dim=0)


def _steps_along(
    inverse: torch.Tensor, axis: int, radius: int, floor: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the steps (n, h, w) to the pixel ``radius`` before, and to the one as far behind."""
    inner = inverse.narrow(3 - axis, 2 * radius, inverse.shape[3 - axis] - 4 * radius)
    length = inner.shape[axis] - 3 * radius
    a, b, c, d = (inner.narrow(axis, number * radius, length) for number in range(4))
    step = torch.minimum((a - 2 * b + c).abs(), (b - 2 * c + d).abs())
    relative = step / torch.maximum(b, c).clamp(min=floor.clamp(min=_LEAST_FLOOR))
    known = (a > 0) & (b > 0) & (c > 0) & (d > 0)
    between = torch.where(known, relative, 0.0)
    size = length - radius
    return between.narrow(axis, 0, size), between.narrow(axis, radius, size)


def _normal_steps(normals: torch.Tensor) -> torch.Tensor:
    """Return the largest distance to the normal of one of the four neighbours: (n, h, w)."""
    middle = _neighbour(normals, 0, 0)
    distances = [(middle - _neighbour(normals, down, right)).square().sum(dim=1)
                 for down, right in _BESIDE]
    return torch.stack(distances).nan_to_num_(0.0).amax(dim=0).sqrt()


def _label_steps(labels: torch.Tensor) -> torch.Tensor:
    """Return 1 where one of the four neighbours has another class, else 0: (n, h, w)."""
    middle = _neighbour(labels, 0, 0)
    others = [middle != _neighbour(labels, down, right) for down, right in _BESIDE]
    return torch.stack(others).any(dim=0).float()


_BESIDE = ((-1, 0), (1, 0), (0, -1), (0, 1))


def _neighbour(values: torch.Tensor, down: int, right: int) -> torch.Tensor:
    height, width = values.shape[-2] - 2, values.shape[-1] - 2
    return values.narrow(-2, 1 + down, height).narrow(-1, 1 + right, width)
