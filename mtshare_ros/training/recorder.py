"""The log of a run: TensorBoard curves, and the latest figures as JSON."""

import json

from mtshare_ros.errors import MissingExtraError
from mtshare_ros.evaluation.scorer import Metrics
from mtshare_ros.training.run_directory import RunDirectory
from mtshare_ros.training.trainer import StepReport

STEPS_PER_POINT = 20
"""Losses are logged once in so many steps."""


class Recorder:
    """Writes what a trainer reports; raises MissingExtraError where TensorBoard is missing."""

    def __init__(self, directory: RunDirectory) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingExtraError(
                "training needs TensorBoard for its log; run: pip install 'mtshare_ros[train]'"
            ) from error
        self._directory = directory
        self._writer = SummaryWriter(str(directory.log))

    def step(self, report: StepReport) -> None:
        """Log losses, figures and the learning rate of a step."""
        if report.step % STEPS_PER_POINT:
            return
        for kind, values in (('loss', report.losses), ('figure', report.figures)):
            for name, value in values.items():
                self._writer.add_scalar(f'{kind}/{name}', value, report.step)
        self._writer.add_scalar('learning_rate', report.learning_rate, report.step)

    def validation(self, step: int, metrics: Metrics) -> None:
        """Log validation figures and write them to ``metrics.json``."""
        for task, figures in metrics.items():
            for name, value in figures.items():
                self._writer.add_scalar(f'validation/{task}/{name}', value, step)
        self._writer.flush()
        text = json.dumps({'step': step, 'metrics': metrics}, indent=1)
        (self._directory.path / 'metrics.json').write_text(text + '\n', encoding='utf-8')

    def close(self) -> None:
        """Write what is still buffered."""
        self._writer.close()
