"""Figures that must not stand in one table: of other data, of other weights, of nobody knows."""

from typing import Any, Iterable, Mapping

from mtshare_ros.errors import ConfigError
from mtshare_ros.report.files import Files, Results
from mtshare_ros.report.plan import INITIAL, ReportPlan, SHARED

_DATA = ('dataset', 'split', 'images', 'clips', 'input_size')
"""What two evaluations must have in common to be compared."""


def check_results(results: Results, plan: ReportPlan) -> None:
    """Raise ConfigError naming two files that contradict each other, or one of no network."""
    for name in (*results.images, *results.info):
        if name not in plan.names:
            raise _unknown(plan, name, plan.names)
    for name in results.sizes:
        if plan.network_of(name) is None:
            raise _unknown(plan, name, [f'{known}-SIZE' for known in plan.names])
    _check_same(plan, _named(results.images, 'images'), _DATA)
    _check_same(plan, _named(results.sizes, 'sizes'), _DATA[:-1])
    for files in _by_clips(results.clips, plan).values():
        _check_same(plan, files, _DATA)
    every = {f'{kind}/{name}': values for kind in ('images', 'sizes', 'info', 'clips')
             for name, values in getattr(results, kind).items()}
    for network in (INITIAL, SHARED):
        _check_same(plan, {path: values for path, values in every.items()
                           if plan.network_of(path.partition('/')[2]) == network}, ('sha256',))


def _named(files: Files, kind: str) -> Files:
    return {f'{kind}/{name}': values for name, values in files.items()}


def _by_clips(files: Files, plan: ReportPlan) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Return the files of the same clips together: their names begin with the network's."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for name, values in files.items():
        network = plan.network_of(name)
        if network is None or name == network:
            raise _unknown(plan, name, [f'{known}-CLIPS' for known in plan.names])
        found.setdefault(name.removeprefix(f'{network}-'), {})[f'clips/{name}'] = values
    return found


def _check_same(plan: ReportPlan, files: Files, keys: Iterable[str]) -> None:
    for key in keys:
        known = {path: values[key] for path, values in files.items()
                 if values.get(key) is not None}
        for path, value in known.items():
            first = next(iter(known))
            if value != known[first]:
                raise ConfigError(
                    f'{plan.folder}/{path}.json: {key} is {value!r}, in {first}.json it is '
                    f'{known[first]!r}; such figures do not belong together: measure both again')


def _unknown(plan: ReportPlan, name: str, allowed: Iterable[str]) -> ConfigError:
    return ConfigError(f'{plan.folder}: {name}.json is of no network of {plan.recipe}; allowed '
                       f'names are {", ".join(allowed)}')
