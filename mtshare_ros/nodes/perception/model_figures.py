"""Which model a node runs, as its log and its diagnostics say it."""

import os
from typing import Mapping

from mtshare_ros.inference.engine import Engine
from mtshare_ros.nodes.node_environment import RENDERED_CAMERA


def model_figures(engine: Engine | None, parameter: str) -> dict[str, str]:
    """Return what is known of the model by name; empty texts without an engine."""
    file = engine.file if engine else None
    return {
        'model': parameter,
        'model_name': file.name if file else '',
        'model_sha256': file.sha256 if file else '',
        'model_notice': transfer_notice(engine) if engine else '',
        'labels': engine.labels.name if engine else '',
    }


def transfer_notice(engine: Engine, environment: Mapping[str, str] = os.environ) -> str:
    """Return why a model may not know what the camera shows, empty for one that does."""
    return '' if environment.get(RENDERED_CAMERA) else engine.transfer_doubt


def model_in_words(engine: Engine, parameter: str) -> str:
    """Return the parameter ``model`` with the name of the model that it stands for."""
    name = engine.file.name if engine.file else parameter
    return repr(parameter) if parameter != 'default' else f'{parameter!r}, {name},'
