"""The options that a file of figures was measured with, as they are typed."""

import re
from typing import Any, Mapping, Sequence

from mtshare_ros.benchmark.bench_plan import BenchSettings, usual_contenders
from mtshare_ros.data.rooms.motions import HARDER
from mtshare_ros.report.files import at
from mtshare_ros.sharing.settings import SharingSettings
from mtshare_ros.tasks import DEFAULT_TASKS

_PRECISIONS = {'float32': 'fp32', 'bfloat16': 'bf16', 'float16': 'fp16'}
_DELTAS = re.compile(r'(\d+)% random delta weights by (\w+)(?: above block (\d+))?')


def image_options(report: Any) -> str:
    """Return what ``mtshare evaluate`` computed single images with."""
    return _joined(f'--split {at(report, "split")}', f'--count {at(report, "images")}',
                   device_options(report))


def size_options(report: Any) -> str:
    """Return what ``mtshare evaluate`` computed single images of another size with."""
    height, width = report['input_size']
    return _joined(image_options(report), f'--input-size {height}x{width} --store')


def clip_options(report: Any) -> str:
    """Return what ``mtshare evaluate`` computed clips with."""
    names = at(report, 'clips') or ()
    motions = {name.rpartition(', ')[2] for name in names}
    frames = at(report, 'images') or 0
    settings = at(report, 'sharing', 'settings')
    return _joined(
        f'--clips --split {at(report, "split")}',
        f'--motion {motions.pop()}' if len(motions) == 1 else '',
        f'--count {len(names)} --frames {frames // len(names)}' if names else '',
        '--sharing off' if settings is None else '',
        '--sharing on' if at(report, 'metrics_of') == 'sharing' else '',
        _sharing_options(settings or {}, {
            'temporal_threshold': '--temporal-threshold', 'task_threshold': '--task-threshold',
            'refresh_period': '--refresh-period'}),
        device_options(report))


def bench_options(report: Any) -> str:
    """Return what ``mtshare bench`` was called with."""
    machine, settings = at(report, 'machine') or {}, at(report, 'settings') or {}
    size = at(machine, 'input_size')
    return _joined(
        _model_options(at(machine, 'model') or ''),
        f'--active {report["active"]["fraction"]:g}' if 'active' in report else '',
        _latency_options(report['latency']) if 'latency' in report else '',
        '--system' if 'system' in report else '',
        _comparison_options(report, settings) if settings else '',
        f'--input-size {size[0]}x{size[1]}' if size else '', device_options(machine))


def device_options(values: Any) -> str:
    """Return device and precision, nothing for float32 on the CPU."""
    device, precision = at(values, 'device'), at(values, 'precision')
    if device is None or (device, precision) == ('cpu', 'float32'):
        return ''
    return f'--device {device} --precision {_PRECISIONS.get(precision, precision)}'


def _latency_options(report: Mapping[str, Any]) -> str:
    return f'--latency-target-ms {report["target_ms"]:g} --frames {report["frames"]}'


def _comparison_options(report: Any, settings: Mapping[str, Any]) -> str:
    usual = BenchSettings(tasks=())
    motions = settings.get('motions') or ()
    usual_ones = usual_contenders(motions)
    contenders = tuple(settings.get('contenders') or usual_ones)
    tasks = tuple(settings.get('tasks') or DEFAULT_TASKS)
    return _joined(
        f'--motion {_group(motions) if "motions" in report else motions[0]}' if motions else '',
        f'--frames {settings.get("frames")}',
        _sharing_options(settings.get('sharing') or {}, {
            'temporal_threshold': '--temporal-threshold', 'task_threshold': '--task-threshold',
            'refresh_period': '--refresh-period',
            'block': '--block'}),
        f'--tasks {",".join(tasks)}' if tasks != DEFAULT_TASKS else '',
        f'--noise {settings["noise"]:g}' if settings.get('noise', 1.0) != usual.noise else '',
        '--clean' if settings.get('clean') else '',
        '' if contenders == usual_ones else f'--contenders {",".join(contenders)}',
        f'--nth {settings["nth"]}' if settings.get('nth', usual.nth) != usual.nth else '',
        '' if settings.get('compiling', True) else '--no-compile')


def _group(motions: Sequence[str]) -> str:
    """Return what several streams are called together."""
    return 'moving' if set(motions) <= set(HARDER) else 'all'


def _sharing_options(settings: Mapping[str, Any], options: Mapping[str, str]) -> str:
    """Return the options of settings that are not as shipped."""
    usual = SharingSettings()
    return _joined(*(f'{option} {settings[key]}' for key, option in options.items()
                     if key in settings and settings[key] != getattr(usual, key)))


def _model_options(model: str) -> str:
    """Return the options that a model's name in a benchmark stands for."""
    name, *words = model.split(', ')
    deltas = _DELTAS.fullmatch(words[-1]) if words else None
    if deltas is None:
        return f'--model {name}'
    percent, granularity, prefix = deltas.groups()
    return _joined(f'--{"architecture" if "untrained" in words else "model"} {name}',
                   f'--random-deltas {int(percent) / 100:g} --granularity {granularity}',
                   f'--prefix {prefix}' if prefix else '')


def _joined(*words: str) -> str:
    return ' '.join(filter(None, words))

