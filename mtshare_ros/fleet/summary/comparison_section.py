"""The part of a fleet's page about two models on the same frames."""

from datetime import datetime, timezone
from typing import Any, Mapping

from mtshare_ros.fleet.summary.comparable import DIFFERENCES
from mtshare_ros.fleet.summary.counting import DIFFERENCE_BINS, MILLION, MILLISECONDS
from mtshare_ros.fleet.summary.map_sections import histogram
from mtshare_ros.fleet.summary.recording_totals import FleetTotals
from mtshare_ros.fleet.summary.texts import counted, PicturesOf, written
from mtshare_ros.report.charts import Histogram
from mtshare_ros.report.fleet_page import Figure, Picture, Section

_DEPTH = ('The difference of depth is 100 |ln(depth / depth)|: 2 % for depths that are about 2 % '
          'apart, 69 % for one that is half of the other.')
_SCORE = (
    'Of every segment the three frames that differ most are kept, one in a second at most. Their '
    'order is that of a score, the mean over the compared maps of: the share of pixels with '
    'another class, |ln(depth / depth)| / ln 2, the angle between normals / 90°, the difference '
    'of edge probability. Below are those of the whole fleet with the highest score, and of each '
    'the map that differs most. Above are the image and in red where the map differs, below the '
    'map of the first and of the second model.')


def comparison_section(
    fleet: FleetTotals, pictures: PicturesOf, model: str, other: str
) -> Section | None:
    """Return how two models differ, None where there is one only."""
    values = fleet.summary.get('comparison')
    if not values or not values.get('frames'):
        return None
    tasks = [task for task in DIFFERENCES if values.get(f'{task}_frames')]
    figures = [Figure(DIFFERENCES[task].name.capitalize(), _mean(values, task),
                      'mean over frames') for task in tasks]
    figures.append(Figure('A frame of the second model', written(
        MILLISECONDS.quantile(values['ms'], 0.5)) + ' ms', 'median'))
    charts = [_chart(task, values[task]) for task in tasks]
    found = [picture for frame in values['most_different']
             if (picture := _picture(frame, pictures))]
    texts = [f'{other or "A second model"} saw the same {counted(values["frames"])} frames as '
             f'{model}, with the same settings of sharing.',
             *((_DEPTH,) if 'depth' in tasks else ()), *((_SCORE,) if found else ())]
    return Section('comparison', 'Two models', texts, figures, histograms=charts, pictures=found)


def _chart(task: str, counts: dict[str, int]) -> Histogram:
    spec = DIFFERENCES[task]
    unit = 'degrees' if spec.unit == '°' else spec.unit
    return histogram(spec.name.capitalize(), unit, 'frames', DIFFERENCE_BINS[task], counts,
                     spec.factor)


def _mean(values: Mapping[str, Any], task: str) -> str:
    return DIFFERENCES[task].written(values[f'{task}_ppm'] / MILLION / values[f'{task}_frames'])


def _picture(frame: Mapping[str, Any], pictures: PicturesOf) -> Picture | None:
    task = frame['task']
    spec = DIFFERENCES[task]
    what = f'{spec.name} {spec.written(frame[f"{task}_ppm"] / MILLION)}'
    caption = (f'image {counted(frame["image"])}, {_moment(frame["time_ns"])}: {what}, '
               f'score {frame["score_ppm"] / MILLION:.2f}')
    return pictures.get(
        frame['recording'], frame['segment'], frame['picture'],
        f'An image of {frame["recording"]}, where two models differ in it, and both maps', caption)


def _moment(time_ns: int) -> str:
    """Return a time: a date, or the seconds of a clock that does not begin in 1970."""
    if time_ns < 10**18:
        return f'{time_ns / 1e9:.3f} s'
    moment = datetime.fromtimestamp(time_ns / 1e9, timezone.utc)
    return moment.strftime('%Y-%m-%d %H:%M:%S UTC')
