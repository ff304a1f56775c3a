"""Taking an added model away: its entry first, then its files."""

from pathlib import Path

from mtshare_ros.errors import ModelError
from mtshare_ros.model.manifest import Catalogue
from mtshare_ros.model.quality import quality_path
from mtshare_ros.model.registering import unregister


def remove_model(name: str, catalogue: Catalogue) -> tuple[Path, ...]:
    """
    Delete an added model with its figures, and return the deleted files.

    Raises ModelError for a model that ships, one that is not there, and files that cannot be
    deleted.
    """
    if catalogue.damage:
        raise ModelError(catalogue.damage)
    if name not in catalogue.added.models:
        kind = 'ships with the package' if name in catalogue.shipped.models else 'was not added'
        raise ModelError(f'model {name!r} {kind}; what can be removed: '
                         f'{", ".join(catalogue.added.models) or "nothing, no model was added"}')
    path = catalogue.added.path_of(name)
    files = tuple(file for file in (path, quality_path(path)) if file.exists())
    unregister(name, catalogue.added.folder)
    for file in files:
        file.unlink()
    return files
