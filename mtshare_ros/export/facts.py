"""What the metadata of an exported file says of its model."""

from typing import Any

from mtshare_ros import __version__
from mtshare_ros.inference.geometry import assumed_focal_length
from mtshare_ros.model.description import ModelDescription
from mtshare_ros.model.manifest import load_catalogue, ModelFile


def facts_of(
    file: ModelFile, description: ModelDescription, size: tuple[int, int], precision: str
) -> dict[str, Any]:
    """Return what whoever runs the file has to know, by keys of its metadata."""
    shape, labels = description.architecture, description.labels
    return {
        'producer': f'mtshare_ros {__version__}', 'model': file.name, 'sha256': file.sha256,
        'licence': licence_of(file, description),
        'trained_on': description.trained_on, 'precision': precision, 'input_size': size,
        'normalisation': {'mean': shape.image_mean, 'std': shape.image_std, 'of': 'RGB, 0 to 255',
                          'where': 'in the file: image takes pixels as they are'},
        'labels': [{'id': number, 'name': name, 'rgb': color} for number, (name, color)
                   in enumerate(zip(labels.names, labels.colors))],
        'focal_length': _focal_length(description, size),
        'depth_scaling': description.depth_scaling, 'depth_range': description.depth_range,
    }


def licence_of(file: ModelFile, description: ModelDescription) -> str:
    """Return the licences of the weights, those of others by their source."""
    names = dict(load_catalogue())
    own = [names[file.name].models[file.name].licence] if file.name in names else []
    others = [f'{source.name}: {source.licence}' for source in description.sources]
    return '; '.join([*own, *others]) or 'not stated'


def _focal_length(description: ModelDescription, size: tuple[int, int]) -> float | None:
    if description.focal_length is None:
        return None
    return assumed_focal_length(description.focal_length,
                                trained_size=description.architecture.input_size, size=size)
