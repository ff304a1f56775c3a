"""The JSON files that the page of results is made from, and the networks that they are about."""

from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any, Iterable, Mapping

from mtshare_ros.errors import ConfigError

KINDS = {
    'images': 'mtshare evaluate MODEL --json',
    'sizes': 'mtshare evaluate MODEL --input-size HEIGHTxWIDTH --json',
    'clips': 'mtshare evaluate MODEL --clips --json',
    'info': 'mtshare models info MODEL --json',
    'bench': 'mtshare bench --json',
}
"""Folders of JSON files, each with the command that writes its files."""

INITIAL, SHARED, MULTI_TASK = 'initial', 'shared', 'multi-task'
"""Names of networks: the start of training, the model of all tasks, the baseline of all tasks."""

_SAME_DATA = ('dataset', 'split', 'images', 'clips', 'input_size')
"""Keys that must be equal in two evaluations that are compared."""

Files = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Results:
    """
    The contents of the files by kind and name, without those that were not measured.

    ``notes`` is Markdown by the people who trained the networks.
    """

    images: Files
    sizes: Files
    clips: Files
    info: Files
    bench: Files
    notes: str = ''


@dataclass(frozen=True)
class TrainedRun:
    """
    One stage of a recipe for one task.

    ``folder`` is where training stores it, ``tasks`` are those that it trains. ``images`` is the
    number of images in this run; ``images_in_all`` adds those of the stages before it.
    """

    folder: str
    stage: str
    tasks: tuple[str, ...]
    images: int
    images_in_all: int
    baseline: bool

    @property
    def name(self) -> str:
        """The name of the stage's JSON files."""
        return self.folder.replace('/', '-')


@dataclass(frozen=True)
class ReportPlan:
    """
    What the page of results is about, apart from what was measured.

    ``recipe``, ``folder`` (of the JSON files) and ``output`` are paths as they were given. The
    first of the ``tasks`` is the base task. ``initial`` names the weights that training starts
    from. ``contenders`` are descriptions by name of those of the benchmark. ``pictures`` are links
    by name.
    """

    recipe: str
    folder: str
    output: str
    tasks: tuple[str, ...]
    runs: tuple[TrainedRun, ...]
    initial: str
    contenders: Mapping[str, str]
    pictures: Mapping[str, str]

    @property
    def sub_tasks(self) -> tuple[str, ...]:
        """The tasks with delta weights."""
        return self.tasks[1:]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all networks that a file can be about."""
        return (INITIAL, *(run.name for run in self.runs), SHARED)

    def network_of(self, file: str) -> str | None:
        """Return the network whose name a file's name is or begins with, None without one."""
        found = [name for name in self.names if f'{file}-'.startswith(f'{name}-')]
        return max(found, key=len, default=None)

    def reference_of(self, task: str) -> str:
        """Return the network trained for a task alone: its baseline, or that of the base task."""
        return f'{task}-base' if task == self.tasks[0] else f'{task}-single-task'

    def images_of(self, task: str) -> int:
        """Return how many images were seen in training for a task of the shared model."""
        return max((run.images_in_all for run in self.runs
                    if task in run.tasks and not run.baseline), default=0)


def read_results(folder: Path) -> Results:
    """
    Read ``folder/KIND/NAME.json``, and ``notes.md`` where there is one.

    Raises ConfigError where there are no such files or one is damaged.
    """
    found = {kind: {path.stem: read_values(path)
                    for path in sorted((folder / kind).glob('*.json'))} for kind in KINDS}
    if not any(found.values()):
        raise ConfigError(f'{folder} holds no results; allowed is a folder with NAME.json in '
                          + ', '.join(f'{kind}/ ({command})' for kind, command in KINDS.items()))
    notes = folder / 'notes.md'
    text = notes.read_text(encoding='utf-8').strip() if notes.is_file() else ''
    return Results(**found, notes=text)


def read_values(path: Path) -> dict[str, Any]:
    """Return the values of a JSON file; raise ConfigError for one that is damaged."""
    command = KINDS.get(path.parent.name)
    mending = f'write it again with {command} {path}' if command else 'correct or delete it'
    try:
        values = json.loads(path.read_text(encoding='utf-8'))
    except OSError as error:
        raise ConfigError(f'{path}: cannot be read: {error.strerror}') from error
    except ValueError as error:
        raise ConfigError(f'{path}: is not JSON ({error}); {mending}') from error
    if not isinstance(values, dict):
        raise ConfigError(f'{path}: holds {type(values).__name__}, not keys and values; {mending}')
    return values


def at(values: Any, *keys: str) -> Any:
    """Return the value at nested keys, None where a key is missing."""
    for key in keys:
        if not isinstance(values, Mapping):
            return None
        values = values.get(key)
    return values


def check_results(results: Results, plan: ReportPlan) -> None:
    """Raise ConfigError for files of unknown networks, or that must not be compared."""
    for kind, ending in (('images', ''), ('info', ''), ('sizes', '-SIZE'), ('clips', '-CLIPS')):
        for name in getattr(results, kind):
            network = plan.network_of(name)
            known = name == network if not ending else network is not None
            if not known or (kind == 'clips' and name == network):
                raise ConfigError(
                    f'{plan.folder}: {name}.json is of no network of {plan.recipe}; allowed names '
                    f'are {", ".join(item + ending for item in plan.names)}')
    paths = {kind: {f'{kind}/{name}': values for name, values in getattr(results, kind).items()}
             for kind in ('images', 'sizes', 'info', 'clips')}
    _check_same(plan, paths['images'], _SAME_DATA)
    _check_same(plan, paths['sizes'], _SAME_DATA[:-1])
    by_clips: dict[str, dict[str, Mapping[str, Any]]] = {}
    for path, values in paths['clips'].items():
        name = path.partition('/')[2]
        by_clips.setdefault(name.removeprefix(f'{plan.network_of(name)}-'), {})[path] = values
    for files in by_clips.values():
        _check_same(plan, files, _SAME_DATA)
    for network in (INITIAL, SHARED):
        _check_same(plan, {path: values for files in paths.values()
                           for path, values in files.items()
                           if plan.network_of(path.partition('/')[2]) == network}, ('sha256',))


def _check_same(plan: ReportPlan, files: Files, keys: Iterable[str]) -> None:
    for key in keys:
        known = {path: values[key] for path, values in files.items()
                 if values.get(key) is not None}
        for path, value in known.items():
            first = next(iter(known))
            if value != known[first]:
                raise ConfigError(
                    f'{plan.folder}/{path}.json: {key} is {value!r}, in {first}.json it is '
                    f'{known[first]!r}; they cannot be compared: measure both again')
