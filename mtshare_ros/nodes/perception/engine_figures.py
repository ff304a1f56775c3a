"""What the maps of a node are computed with, as its diagnostics show it."""

from typing import Any, Mapping

from mtshare_ros.inference.choices import choices_of
from mtshare_ros.inference.engine import Engine
from mtshare_ros.nodes.perception.sharing_parameters import crossover_of
from mtshare_ros.sharing.settings import SharingSettings

ENGINE_FIGURES = ('processor', 'precision', 'weight_layout', 'threads', 'torch', 'crossover',
                  'crossover_source')


def engine_figures(engine: Engine | None, values: Mapping[str, Any]) -> dict[str, str]:
    """Return by name what was chosen with these parameter values; empty without an engine."""
    if engine is None:
        return dict.fromkeys(ENGINE_FIGURES, '')
    # only what the crossover depends on: other values may not fit each other yet
    sharing = SharingSettings(
        temporal=values['temporal.enabled'], crossover=crossover_of(values))
    chosen = choices_of(engine, sharing)
    chosen['crossover'] = f'{chosen["crossover"]:.3f}'
    return {name: str(chosen[name]) for name in ENGINE_FIGURES}
