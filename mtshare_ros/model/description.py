"""What a checkpoint says of itself."""

from dataclasses import dataclass, fields
import json
from typing import Any, Mapping

from mtshare_ros.config import from_values, to_values
from mtshare_ros.errors import ModelError
from mtshare_ros.labels import LabelSet
from mtshare_ros.model.architecture import ArchitectureConfig

FORMAT = 'mtshare_ros 1'


@dataclass(frozen=True)
class ModelDescription:
    """
    Everything besides the weights that inference needs.

    ``focal_length`` is that of the training images in pixels at ``architecture.input_size``;
    ``depth_range`` is the (nearest, farthest) depth of the training images in metres.
    """

    architecture: ArchitectureConfig
    tasks: tuple[str, ...]
    labels: LabelSet
    focal_length: float
    depth_range: tuple[float, ...]
    trained_on: str = ''


def to_header(description: ModelDescription) -> dict[str, str]:
    """Return the safetensors metadata: one readable JSON value per field."""
    header = {key: json.dumps(value) for key, value in to_values(description).items()}
    return {'format': FORMAT, **header}


def from_header(header: Mapping[str, str] | None, source: str) -> ModelDescription:
    """Read the metadata back; raise ModelError or ConfigError naming ``source``."""
    found = (header or {}).get('format')
    if header is None or found != FORMAT:
        raise ModelError(
            f'{source}: the header names the format {found!r}, expected {FORMAT!r}; '
            'it was not written by this package (timm weights start a training, they do not run)'
        )
    names = {item.name for item in fields(ModelDescription)}
    try:
        values: dict[str, Any] = {
            key: json.loads(text) for key, text in header.items() if key in names}
    except json.JSONDecodeError as error:
        raise ModelError(
            f'{source}: the header is damaged: {error}; get the file again') from error
    return from_values(ModelDescription, values, f'{source}: header')
