"""The options of ``mtshare evaluate``, and what they mean together."""

from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Annotated, TYPE_CHECKING

import typer

from mtshare_ros.cli.bench_options import read_size
from mtshare_ros.cli.completion import offer_task_list
from mtshare_ros.cli.options import Motion, MOTIONS_HELP
from mtshare_ros.errors import ConfigError

if TYPE_CHECKING:
    from mtshare_ros.evaluation.scoring import MetricRules
    from mtshare_ros.sharing.settings import SharingSettings


class Dataset(str, Enum):
    """What a model can be measured on."""

    ROOMS = 'rooms'
    NYUD = 'nyud'
    PASCAL = 'pascal'
    FOLDER = 'folder'


class Split(str, Enum):
    """Parts of a data set that no model was trained on."""

    VALIDATION = 'validation'
    TEST = 'test'


class Sharing(str, Enum):
    """Whether clips are computed with sharing, dense, or in both ways."""

    ON = 'on'
    OFF = 'off'
    BOTH = 'both'


class Saliency(str, Enum):
    """What the thresholds of saliency are compared with."""

    PROBABILITY = 'probability'
    INVPT = 'invpt'


DatasetOption = Annotated[Dataset, typer.Option(
    help='rooms: rendered here and now, nothing to download. nyud, pascal: NYUD-v2 and '
         'PASCAL-Context as the multi-task literature has them. folder: your own.')]
RootOption = Annotated[Path | None, typer.Option(
    metavar='DIR', help='The folder of the data set; rooms have none.')]
SplitOption = Annotated[Split | None, typer.Option(
    help='validation is for choosing, test for the final figure. Default: test for rooms, '
         'validation for the others.')]
CountOption = Annotated[int | None, typer.Option(
    '--count', '--views', min=1, metavar='N',
    help='Only this many images or clips.')]
InputSizeOption = Annotated[str | None, typer.Option(
    metavar='HxW',
    help='Pixels of the input, multiples of the patch size of the model (14 or 16). Default: '
         'the nearest to 448x576 for nyud and 512x512 for pascal, else the size of the model.')]
ThresholdsOption = Annotated[int | None, typer.Option(
    min=1, metavar='N', help='Thresholds of odsF (nyud, pascal) beside 0.001 and 0.999: 20 by '
                             'default, which is quick; 99 for figures to be published.')]
TasksOption = Annotated[str | None, typer.Option(
    metavar='TASK,...', autocompletion=offer_task_list,
    help='Only these tasks; without semseg the model may have other classes than the data.')]
SaliencyOption = Annotated[Saliency, typer.Option(
    help='What is compared with the thresholds: the probability, or, as the evaluation of InvPT '
         'and many published figures, its sigmoid.')]
StoreOption = Annotated[bool, typer.Option(
    '--store', help='Keep the main figures beside the model, in NAME.quality.json: what runs it '
                    'at this size tells them.')]
ClipsOption = Annotated[bool, typer.Option(
    '--clips', help='Clips instead of single images: what sharing saves, and what it costs.')]
MotionOption = Annotated[Motion | None, typer.Option(
    metavar='MOTION',
    help=f'Clips of rooms: how the camera moves: {MOTIONS_HELP}. Default: the first four in '
         'turn.')]
FramesOption = Annotated[int | None, typer.Option(
    min=2, metavar='N', help='Clips of rooms: frames of each at 30 Hz, 64 by default.')]
SharingOption = Annotated[Sharing | None, typer.Option(
    help='Clips: with sharing, dense, or both in one run, which is the default. Single images '
         'are always dense: there is no earlier frame to take anything from.')]
TemporalOption = Annotated[float | None, typer.Option(
    min=0.0, max=10.0, metavar='F', help='Clips: factor on the thresholds over time, 1 by '
                                         'default; 0 lets every row through.')]
TaskOption = Annotated[float | None, typer.Option(
    min=0.0, max=10.0, metavar='F', help='Clips: factor on the thresholds for taking rows over '
                                         'from the base task, 1 by default; 0 takes none.')]
RefreshOption = Annotated[int | None, typer.Option(
    min=1, max=300, metavar='N', help='Clips: every token is computed again within N frames, 30 '
                                      'by default.')]
BaselineOption = Annotated[list[str] | None, typer.Option(
    metavar='[TASK=]FILE', help='Compare with the JSON report of another model; several times, '
                                'with TASK=, for reports of single-task networks.')]


@dataclass(frozen=True)
class Ways:
    """
    The ways every frame is computed; ``sharing`` holds the settings of one, None without it.

    ``clips`` says whether frames follow each other: single images are dense only.
    """

    clips: bool
    dense: bool
    sharing: 'SharingSettings | None'

    @classmethod
    def of(
        cls, clips: bool, sharing: Sharing | None, temporal_factor: float | None,
        task_factor: float | None, refresh_period: int | None,
    ) -> 'Ways':
        """Return what the options mean; raise ConfigError for what single images cannot have."""
        factors = temporal_factor, task_factor, refresh_period
        if not clips:
            refuse_for_images(None if sharing is Sharing.OFF else sharing, *factors)
        if not clips or sharing is Sharing.OFF:
            return cls(clips, True, None)
        return cls(clips, sharing is not Sharing.ON, _settings(*factors))


def refuse_for_images(*options: object) -> None:
    """Refuse options that only clips have; what was not given is None."""
    if any(option is not None for option in options):
        raise ConfigError(
            '--motion, --frames, --sharing, --temporal-factor, --task-factor and '
            '--refresh-period are for clips; add --clips. Single images are always dense: sharing '
            'takes from earlier frames, and they have none')


def check_store(store: bool, ways: Ways) -> None:
    """Refuse to store what is not the quality of the network itself."""
    if store and not ways.dense:
        raise ConfigError('--store keeps the figures of dense frames, and --sharing on computes '
                          'none; leave one of them out')


def rules_for(
    dataset: Dataset, edge_thresholds: int | None, saliency: Saliency
) -> 'MetricRules':
    """Return how the metrics of a data set are taken."""
    from mtshare_ros.evaluation.scoring import metric_rules

    rules = replace(metric_rules(dataset.value), legacy_sigmoid=saliency is Saliency.INVPT)
    return rules if edge_thresholds is None else replace(rules, edge_thresholds=edge_thresholds)


def size_for(dataset: Dataset, text: str | None, model: str) -> tuple[int, int] | None:
    """Return the (height, width) of the input; None is the model's own."""
    from mtshare_ros.evaluation.datasets import INPUT_SIZES
    from mtshare_ros.model.architecture import nearest_input_size
    from mtshare_ros.model.checkpoint import read_description
    from mtshare_ros.model.manifest import find_model

    if text is not None:
        return read_size(text, '--input-size')
    usual = INPUT_SIZES.get(dataset.value)
    if usual is None:
        return None
    shape = read_description(find_model(model).path).architecture
    return nearest_input_size(usual, shape.patch_size)


def _settings(
    temporal: float | None, task: float | None, refresh_period: int | None
) -> 'SharingSettings':
    """
    Return what clips are computed with; what was not asked for is as shipped.

    Only that no frame runs dense for being faster so: figures shall not depend on the machine.
    """
    from mtshare_ros.sharing.settings import SharingSettings

    period = SharingSettings.refresh_period if refresh_period is None else refresh_period
    return SharingSettings(
        temporal_factor=SharingSettings.temporal_factor if temporal is None else temporal,
        task_factor=SharingSettings.task_factor if task is None else task,
        refresh_period=period, max_age=max(SharingSettings.max_age, period), crossover=1.0)
