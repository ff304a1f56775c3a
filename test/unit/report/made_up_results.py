"""Figures that nobody measured, as the commands would write them into files."""

from dataclasses import asdict
import json

from mtshare_ros.benchmark.bench_plan import BenchSettings, StreamFacts
from mtshare_ros.benchmark.bench_report import ContenderReport
from mtshare_ros.benchmark.comparison import MotionReport
from mtshare_ros.benchmark.latency import LatencyReport, LatencyRun
from mtshare_ros.benchmark.timing import ActiveReport, Times
from mtshare_ros.evaluation.activity import SharingActivity
from mtshare_ros.report.results import ReportPlan, TrainedRun
from mtshare_ros.sharing.sharing_settings import SharingSettings
from mtshare_ros.tasks import DEFAULT_TASKS

SUB_TASKS = DEFAULT_TASKS[1:]
STAGES = {'delta-weights': 1600, 'delta-tune': 800, 'delta-activations': 800}
GOOD = {'semseg': {'miou': 61.0, 'pixel_accuracy': 90.0},
        'depth': {'rmse': 0.4, 'abs_rel': 0.11, 'delta1': 90.0},
        'normals': {'mean': 13.0, 'median': 7.0}, 'edge': {'f': 93.0}}
MACHINE = {'model': 'shared_model', 'device': 'cpu', 'device_name': 'abacus', 'cores': 2,
           'threads': 2, 'precision': 'float32', 'input_size': [240, 320], 'python': '3.11.2',
           'torch': '2.9'}


def trained_runs():
    """Return the runs of a recipe for four tasks, with as many images for every baseline."""
    runs = [TrainedRun('semseg/base', 'base', ('semseg',), 6400, 6400, False),
            TrainedRun('semseg/base-temporal', 'base-temporal', ('semseg',), 800, 7200, False)]
    for task in SUB_TASKS:
        seen = 7200
        for stage, images in STAGES.items():
            seen += images
            runs.append(TrainedRun(f'{task}/{stage}', stage, (task,), images, seen, False))
    runs += [TrainedRun(f'{task}/single-task', 'single-task', (task,), 10400, 10400, True)
             for task in SUB_TASKS]
    return (*runs, TrainedRun('multi-task', 'multi-task', DEFAULT_TASKS, 10400, 10400, True))


def make_plan(**changes):
    """Return what a report of the made-up figures is about."""
    return ReportPlan(**{
        'recipe': 'config/train/rooms.yaml', 'folder': 'docs/results', 'output': 'docs/results.md',
        'tasks': DEFAULT_TASKS, 'runs': trained_runs(), 'initial': 'start_model',
        'contenders': {'combined': 'both'}, 'pictures': {}, **changes})


def scaled(factor):
    """Return the good figures, every main one better by so much where the factor is above 1."""
    return {
        'semseg': {**GOOD['semseg'], 'miou': GOOD['semseg']['miou'] * factor},
        'depth': {**GOOD['depth'], 'rmse': GOOD['depth']['rmse'] * (2 - factor)},
        'normals': {**GOOD['normals'], 'mean': GOOD['normals']['mean'] * (2 - factor)},
        'edge': {'f': GOOD['edge']['f'] * factor}}


def images(factor=1.0, tasks=DEFAULT_TASKS, **values):
    """Return a file of single images; see ``scaled`` for the factor."""
    metrics = {task: figures for task, figures in scaled(factor).items() if task in tasks}
    return {'metrics': metrics, 'model': 'model', 'sha256': 'ab', 'dataset': 'rooms',
            'split': 'test', 'images': 256, 'clips': None, 'device': 'cpu',
            'precision': 'float32', 'input_size': [240, 320], 'sharing': None, **values}


def clips(motion=None, *, factor=1.0, to_dense=-0.4, reused=0.6, gated=0.24, **values):
    """Return a file of clips, computed dense and with sharing."""
    motions = [motion] * 2 if motion else ['static', 'pan']
    activity = SharingActivity(
        reused=reused, reused_by_task=dict.fromkeys(SUB_TASKS, reused),
        gated=gated, gated_by_task=dict.fromkeys(DEFAULT_TASKS, gated), changed=0.2,
        active_fraction=0.25, macs_share=0.27, resets={'first frame': 2})
    sharing = {'metrics': scaled(factor), 'delta_m_to_dense': to_dense, **asdict(activity),
               'gated_to_changed': activity.gated_to_changed,
               'settings': asdict(SharingSettings(crossover=1.0))}
    names = [f'room {number}, {name}' for number, name in enumerate(motions)]
    return images(**{'images': 128, 'clips': names, 'split': 'test' if motion else 'validation',
                     'model': 'shared_model', 'sharing': sharing, **values})


def info(density=0.05, ratio=1.3, **values):
    """Return a file about the model of all tasks."""
    blocks = {str(number): {'elements': 3 * density / 2, 'rows': 3 * density / 2}
              for number in range(8, 12)}
    return {'sha256': 'ab', 'network': '12 blocks of width 192', 'calibrated': 'to 5 %',
            'delta_weights': {task: {'encoder': density, 'blocks': blocks} for task in SUB_TASKS},
            'bytes': {'file': 15_000_000, 'base_bytes': 10_000_000,
                      'delta_bytes': dict.fromkeys(SUB_TASKS, 1_000_000),
                      'head_bytes': dict.fromkeys(DEFAULT_TASKS, 400_000), 'ratio': ratio},
            **values}


def contender(p50, **values):
    """Return one contender of a benchmark."""
    return ContenderReport(**{
        'form': 'stem: eager', 'ms': Times(p50, p50 + 1, p50 + 2, p50, 256), 'ratio': {},
        'active_fraction': None, 'macs_fraction': None, 'reused_fraction': None,
        'input_fraction': None, 'dense_frames': None, 'difference': None, 'differences': {},
        'difference_clean': None, 'differences_clean': {}, 'metrics': None, 'delta_m': None,
        **values})


def comparison():
    """Return a file of ``mtshare bench`` for one motion."""
    contenders = {
        'independent': contender(120.0), 'prefix': contender(90.0),
        'combined': contender(
            30.0, ratio={'independent': 4.0, 'prefix': 3.0}, form='the engine',
            active_fraction=0.13, macs_fraction=0.14, delta_m=-0.25, reused_fraction=0.1),
        'hold': contender(31.0, period=3)}
    report = MotionReport(contenders, {'shared': 30_000_000, 'depth': 2_000_000})
    settings = asdict(BenchSettings(DEFAULT_TASKS, contenders=tuple(contenders)))
    settings['notices'] = []
    return plain({'device': 'cpu', 'machine': MACHINE, 'settings': settings, **asdict(report)})


def moving_comparison():
    """Return a file of ``mtshare bench`` for one fast motion."""
    contenders = {'prefix': contender(90.0, flicker={'semseg': 2.0, 'depth': 3.0}),
             'moving_fused': contender(30.0, flicker={'semseg': 0.5, 'depth': 1.25}, delta_m=0.5,
                                  macs_fraction=0.31, ways={'moving': 1.0}),
             'dense_nth': contender(31.0, period=3)}
    report = MotionReport(contenders, {'shared': 30_000_000}, StreamFacts(0.964, 3.94))
    settings = BenchSettings(DEFAULT_TASKS, ('pan-4',), contenders=tuple(contenders), nth=4)
    return plain({'device': 'cpu', 'machine': MACHINE,
                  'settings': {**asdict(settings), 'notices': []}, **asdict(report)})


def rows_alone():
    """Return a file of ``mtshare bench --active``."""
    times = Times(10.0, 11.0, 12.0, 10.0, 60)
    report = ActiveReport(0.1, 30, 300, 'fast', False, times,
                          {'eager': Times(50.0, 51.0, 52.0, 50.0, 60)}, 'eager', 5.0)
    model = 'vit_s, untrained, 10% random delta weights by row'
    return plain({'device': 'cpu', 'machine': {**MACHINE, 'model': model},
                  'active': asdict(report)})


def latency():
    """Return a file of ``mtshare bench --latency-target``."""
    times = Times(20.0, 27.0, 29.0, 21.0, 256)
    report = LatencyReport(30.0, 256, 51.0, {
        'threshold': LatencyRun(times, 60.0, 0.191, 0.2, 30),
        'target': LatencyRun(times, 29.5, 0.0, 0.15, 44)})
    return plain({'device': 'cpu', 'machine': MACHINE, 'latency': asdict(report)})


def plain(values):
    """Return values as they come back from a file."""
    return json.loads(json.dumps(values))


def every_figure():
    """Return all files by kind and name, every target reached."""
    stages = {run.name: images(1.0, run.tasks) for run in trained_runs()}
    motions = ('static', 'pan', 'drive', 'handheld')
    return {
        'images': {**stages, 'initial': images(0.99, sha256='cd', model='start_model'),
                   'multi-task': images(0.97), 'shared': images(1.001, model='shared_model')},
        'sizes': {'shared-480x640': images(0.9, model='shared_model', images=24,
                                           input_size=[480, 640])},
        'clips': {'shared-validation': clips(),
                  **{f'shared-test-{motion}': clips(motion) for motion in motions},
                  **{f'{task}-single-task-validation': clips(factor=1.0, sharing=None)
                     for task in SUB_TASKS},
                  'multi-task-validation': {**clips(sharing=None), 'metrics': scaled(0.97)}},
        'info': {'shared': info()},
        'bench': {'active': rows_alone(), 'latency': latency(), 'static': comparison()},
    }


def write_figures(folder, figures):
    """Write files below a folder, as the commands do, each with the command that wrote it."""
    for kind, files in figures.items():
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for name, values in files.items():
            values = {'command': f'mtshare write {kind}/{name}.json', **values}
            (folder / kind / f'{name}.json').write_text(json.dumps(values))
    return folder
