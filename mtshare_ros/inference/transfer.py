"""Whether a model has ever seen what a real camera shows."""

import re

from mtshare_ros.errors import MtshareError
from mtshare_ros.model.description import ModelDescription
from mtshare_ros.model.manifest import load_catalogue

_ROOMS_ONLY = re.compile(r'\b(images|frames) of (procedural )?rooms\b')
"""How the sentence ``trained_on`` of such a model begins, whoever trained it."""


def doubt_transfer(description: ModelDescription) -> str:
    """
    Say in a line that a model knows rendered rooms only, and where one for real images is.

    Empty for a model that has seen real images, be it in the training of its backbone.
    """
    starts_elsewhere = description.sources or description.backbone_sha256
    if starts_elsewhere or not _ROOMS_ONLY.search(description.trained_on):
        return ''
    return ('this model was trained on rendered rooms and does not know real images; '
            f'the one that does: {_better()}')


def _better() -> str:
    """Return how to get the model for real images, from the manifests as they are now."""
    try:
        catalogue = load_catalogue()
    except MtshareError:
        return 'see mtshare models list'
    name = catalogue.shipped.default_when_added
    if name in catalogue.added.models:
        return f'model {name}'
    if name in catalogue.shipped.heads:
        return f'mtshare models add {name}'
    return 'train one, see docs/training.md'
