"""The section of the page of results on the files of ``mtshare bench``."""

from typing import Any, Mapping

from mtshare_ros.benchmark.dense_contenders import DENSE_CONTENDERS
from mtshare_ros.report.results import at, Results, SHARED
from mtshare_ros.report.targets import main_metric, MAIN_METRICS, NOT_MEASURED, written


class SpeedSection:
    """Values of the template that are computed from the benchmark's files."""

    def __init__(self, results: Results) -> None:
        self._results = results

    def motions_of(self, report: Any) -> Mapping[str, Any]:
        """Return the comparisons of a benchmark by motion; empty where its file has none."""
        if at(report, 'contenders') is not None:
            motions = at(report, 'settings', 'motions') or ('one stream',)
            return {motions[0]: report}
        return at(report, 'motions') or {}

    def contenders_that_ran(self) -> set[str]:
        """Return the names of the contenders of all benchmarks."""
        return {name for report in self._results.bench.values()
                for comparison in self.motions_of(report).values()
                for name in comparison['contenders']}

    def speeds(self) -> list[str]:
        """Return times with sharing, and the speed relative to one dense network per task."""
        found = []
        for report in self._results.bench.values():
            if at(report, 'machine', 'model') != at(self._results.images, SHARED, 'model'):
                continue
            for motion, comparison in self.motions_of(report).items():
                combined = at(comparison, 'contenders', 'combined')
                ratio = at(combined, 'ratio', 'independent')
                if ratio is not None:
                    height, width = report['machine']['input_size']
                    found.append(f'{motion} at {height}x{width}: {combined["ms"]["p50"]:.1f} ms, '
                                 f'{ratio:.2f} times faster than one dense network per task')
        return found

    def conditions(self, report: Any) -> str:
        """Return a sentence on the model, settings and machine of a comparison."""
        settings, size = at(report, 'settings'), at(report, 'machine', 'input_size')
        words = [f'Model {at(report, "machine", "model")}']
        words += [f'{size[0]}x{size[1]} pixels (height x width)'] if size else []
        if settings:
            words += [
                f'{settings["frames"]} frames of a motion',
                f'sensor noise times {settings["noise"]:g}',
                f'thresholds times {settings["sharing"]["temporal_threshold"]:g}',
                'every token computed again within '
                f'{settings["sharing"]["refresh_period"]} frames']
        return ', '.join([*words, machine_of(report)]) + '.'

    def quality_beside(self, report: Any) -> str:
        """Return a sentence on the quality of the maps at the size that the model was timed at."""
        model, size = at(report, 'machine', 'model'), at(report, 'machine', 'input_size')
        if ', ' in str(model):
            return 'Its weights are random, all or some: the maps mean nothing, only their cost.'
        reports = (*self._results.sizes.values(), *self._results.images.values())
        found = next((item for item in reports
                      if (at(item, 'model'), at(item, 'input_size')) == (model, size)), None)
        if found is None:
            return f'The quality of its maps at this size: {NOT_MEASURED}.'
        metrics = ', '.join(
            f'{task} {metric.name} {written(value, metric.form, unit=metric.suffix)}'
            for task, metric in MAIN_METRICS.items()
            if (value := main_metric(found, task)) is not None)
        return (f'The quality of its maps at this size, dense, on {found["images"]} '
                f'images: {metrics}.')

    def dense_forms(self, report: Any) -> list[str]:
        """Return lines on the form of the dense contenders, and on what could not be tried."""
        forms = dict.fromkeys(
            f'dense contenders, {found["form"]}'
            for comparison in self.motions_of(report).values()
            for name, found in comparison['contenders'].items() if name in DENSE_CONTENDERS)
        return [*forms, *(at(report, 'settings', 'notices') or ())]


def machine_of(report: Any) -> str:
    """Return device, cores, precision and versions that a benchmark ran on."""
    machine = at(report, 'machine') or {}
    words = [str(machine[key]) for key in ('device', 'device_name') if machine.get(key)]
    words += [f'{machine[key]} {key}' for key in ('cores', 'threads') if key in machine]
    words += [str(machine['precision'])] if 'precision' in machine else []
    return ', '.join([*words, *(f'{key} {machine[key]}' for key in ('torch', 'python')
                                if key in machine)])
