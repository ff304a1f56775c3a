"""The parts of a fleet's page about classes, depth, and what the maps cost."""

from mtshare_ros.fleet.summary.counting import Bins, DEPTH, MILLION, MILLISECONDS
from mtshare_ros.fleet.summary.recording_totals import FleetTotals
from mtshare_ros.fleet.summary.texts import counted, written
from mtshare_ros.report.charts import Histogram, Share, ShareChart
from mtshare_ros.report.fleet_page import Figure, Section, Table
from mtshare_ros.tasks import LabelSet

_MOST_CLASSES = 20
_MOST_RESETS = 12
_GREY = (150, 150, 150)


def histogram(
    title: str, unit: str, what: str, bins: Bins, counts: dict[str, int], factor: float = 1.0
) -> Histogram:
    """Return the chart of stored counts; edges are multiplied by ``factor``."""
    dense = [int(count) for count in bins.dense(counts)]
    edges = [bins.edge(number) * factor for number in range(1, bins.count + 2)]
    return Histogram(title, unit, what, edges, dense[1:-1], dense[0], dense[-1], bins.logarithmic)


def classes_section(fleet: FleetTotals, labels: LabelSet) -> Section | None:
    """Return the shares of the classes, None where no mask was computed."""
    pixels = {int(number): count for number, count in
              fleet.summary.get('class_pixels', {}).items()}
    unlabelled = fleet.summary.get('unlabelled_pixels', 0)
    total = sum(pixels.values()) + unlabelled
    if not total:
        return None
    order = sorted(pixels, key=lambda number: (-pixels[number], number))
    shares = [Share(_name(labels, number), pixels[number] / total, _color(labels, number))
              for number in order]
    rows = [(item.name, f'{100 * item.share:.3f}', counted(pixels[number]))
            for item, number in zip(shares, order)]
    if unlabelled:
        rows.append(('unlabelled', f'{100 * unlabelled / total:.3f}', counted(unlabelled)))
    chart = ShareChart('The most common classes' if len(shares) > _MOST_CLASSES else 'Classes',
                       shares[:_MOST_CLASSES])
    table = Table(f'All {len(rows)} classes as a table',
                  ('class', 'share of pixels, %', 'counted pixels'), rows, frozenset((1, 2)),
                  folded=True)
    return Section('classes', 'Classes', shares=(chart,), tables=(table,), narrow=True, lines=2)


def _name(labels: LabelSet, number: int) -> str:
    return labels.names[number] if number < len(labels) else f'class {number}'


def _color(labels: LabelSet, number: int) -> tuple[int, int, int]:
    return labels.colors[number] if number < len(labels) else _GREY


def depth_section(fleet: FleetTotals) -> Section | None:
    """Return the histogram of depth, None where there is no depth in metres."""
    counts = fleet.summary.get('depth_pixels', {})
    invalid = fleet.summary.get('invalid_depth_pixels', 0)
    valid = sum(counts.values())
    if not valid + invalid:
        return None
    figures = [Figure(name, f'{written(DEPTH.quantile(counts, share), ".2f")} m')
               for name, share in (('5 % are nearer than', 0.05), ('Median', 0.5),
                                   ('5 % are farther than', 0.95))]
    figures.append(Figure('Without a valid depth', f'{100 * invalid / (valid + invalid):.2f} %',
                          'of the pixels'))
    return Section('depth', 'Depth', figures=figures, narrow=True, histograms=(
        histogram('Depth', 'm', 'valid pixels', DEPTH, counts),))


def cost_section(fleet: FleetTotals) -> Section | None:
    """Return what the maps cost and what sharing saved, None without a frame."""
    values = fleet.summary
    frames = values.get('frames', 0)
    if not frames:
        return None
    saved = 1 - values['macs'] / values['dense_macs'] if values['dense_macs'] else 0.0
    figures = (
        Figure('Multiplications saved', f'{100 * saved:.1f} %', 'of those of whole frames'),
        Figure('Tokens computed', f'{100 * values["active_ppm"] / MILLION / frames:.1f} %',
               'mean over frames, tasks and blocks'),
        *(Figure(f'A frame, {name}', f'{written(MILLISECONDS.quantile(values["ms"], share))} ms',
                 'on its worker, from RGB to maps')
          for name, share in (('median', 0.5), ('95th percentile', 0.95))),
        Figure('Frames with NaN or infinity', counted(values['non_finite_frames']),
               ', '.join(f'{task}: {counted(count)}'
                         for task, count in sorted(values['non_finite'].items()))),
    )
    resets = sorted(values['resets'].items(), key=lambda item: (-item[1], item[0]))
    tables = (Table('Frames computed from nothing, by reason (N is a number)',
                    ('reason', 'frames'),
                    [(reason, counted(count)) for reason, count in resets[:_MOST_RESETS]],
                    frozenset((1,)), folded=True),) if resets else ()
    chart = histogram('Time of a frame', 'ms', 'frames', MILLISECONDS, values['ms'])
    return Section('cost', 'What it cost', figures=figures, tables=tables, histograms=(chart,),
                   narrow=True)
