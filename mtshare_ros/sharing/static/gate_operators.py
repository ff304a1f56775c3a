"""The steps of the gate as operators of PyTorch; see ``operator_library``."""

from typing import Any

import torch

from mtshare_ros.sharing import change, noise_learning
from mtshare_ros.sharing.static import marking
from mtshare_ros.sharing.static.operator_library import define

NAMES = ('take_image', 'score', 'mark', 'spread', 'entries', 'energies', 'adapt', 'settle')


def _kernels() -> Any:
    from mtshare_ros.sharing.static import gate_kernels  # needs Triton
    return gate_kernels


def _noise_kernels() -> Any:
    from mtshare_ros.sharing.static import noise_kernels  # needs Triton
    return noise_kernels


def _shape_of_scores(current: torch.Tensor, *others: Any) -> torch.Tensor:
    return current.new_empty(current.shape[0])


def _shape_of_marks(scores: torch.Tensor, *others: Any) -> torch.Tensor:
    return scores.new_empty((4, scores.shape[0]), dtype=torch.bool)


def _shape_of_row(marks: torch.Tensor, sources: torch.Tensor) -> torch.Tensor:
    return marks.new_empty(marks.numel() + sources.shape[0])


def _shape_of_entries(
    running: torch.Tensor, bounds: torch.Tensor, ranks: torch.Tensor, numbers: torch.Tensor
) -> torch.Tensor:
    return numbers.new_empty(ranks.shape[0])


def _shape_of_energies(
    current: torch.Tensor, past: torch.Tensor, rise: torch.Tensor, log_variance: torch.Tensor,
    matrices: torch.Tensor, scale: float,
) -> noise_learning.Energies:
    count = current.shape[0]
    return (current.new_empty(count), current.new_empty((2, count)),
            current.new_empty((count, log_variance.shape[0])))


def _no_shape(*given: Any) -> None:
    """Nothing comes out."""


define('score(Tensor current, Tensor reference, Tensor rise, Tensor log_variance, '
       'Tensor? weights, float least) -> Tensor', plain=change.score, shape=_shape_of_scores,
       kernel=lambda *given: _noise_kernels().score(*given))
define('mark(Tensor scores, Tensor turns, Tensor ages, Tensor controls, Tensor around, '
       'Tensor(a!) due, Tensor(b!) forced) -> Tensor', plain=marking.mark, shape=_shape_of_marks,
       kernel=lambda *given: _kernels().mark(*given))
define('spread(Tensor marks, Tensor sources) -> Tensor', plain=marking.spread,
       shape=_shape_of_row, kernel=lambda *given: _kernels().spread(*given))
define('entries(Tensor running, Tensor bounds, Tensor ranks, Tensor numbers) -> Tensor',
       plain=marking.entries, shape=_shape_of_entries,
       kernel=lambda *given: _kernels().entries(*given))
define('energies(Tensor current, Tensor past, Tensor rise, Tensor log_variance, '
       'Tensor matrices, float scale) -> (Tensor, Tensor, Tensor)', plain=noise_learning.energies,
       shape=_shape_of_energies, kernel=lambda *given: _noise_kernels().energies(*given))
define('adapt(Tensor(a!) ratio, Tensor energy, Tensor ordered, Tensor growth, Tensor weights, '
       'Tensor places, Tensor most, Tensor(b!) log_variance, Tensor(c!) steps, float shrinkage) '
       '-> ()', plain=noise_learning.adapt, shape=_no_shape,
       kernel=lambda *given: _noise_kernels().adapt(*given))
define('take_image(Tensor image, Tensor(a!) current, Tensor(b!) past, Tensor lines, '
       'Tensor matrix, int rows, int columns) -> ()', plain=change.take_image, shape=_no_shape,
       kernel=lambda *given: _kernels().take_image(*given))
define('settle(Tensor patches, Tensor current, Tensor(a!) reference, Tensor due, '
       'Tensor(b!) ages, Tensor(c!) oldest) -> ()', plain=marking.settle, shape=_no_shape,
       kernel=lambda *given: _kernels().settle(*given))
