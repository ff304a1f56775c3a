"""The models that ship with the package: names, checksums, licences."""

from dataclasses import dataclass
import hashlib
from pathlib import Path

import yaml

from mtshare_ros.config import from_values
from mtshare_ros.errors import ModelError
from mtshare_ros.model.file_limits import check_model_file
from mtshare_ros.resources import share_directory


@dataclass(frozen=True)
class ManifestEntry:
    """One shipped model: what a user may want to know before loading it."""

    file: str
    sha256: str
    licence: str
    tasks: tuple[str, ...]
    labels: str
    input_size: tuple[int, ...]
    focal_length: float | None
    depth_range: tuple[float, ...] | None
    description: str


@dataclass(frozen=True)
class Manifest:
    """All shipped models by name, and which one is meant by ``default``."""

    folder: Path
    default: str
    models: dict[str, ManifestEntry]

    def path_of(self, name: str) -> Path:
        """Return the file of a model by name."""
        return self.folder / self.models[name].file


@dataclass(frozen=True)
class ModelFile:
    """A model file that passed its checksum, or has none to pass."""

    name: str
    path: Path
    sha256: str


def load_manifest(folder: Path | None = None) -> Manifest:
    """Read ``models/manifest.yaml``; raise ModelError or ConfigError where it is damaged."""
    folder = folder or share_directory() / 'models'
    path = folder / 'manifest.yaml'
    try:
        values = yaml.safe_load(path.read_text())
        models = {name: from_values(ManifestEntry, entry, f'{path}: {name}')
                  for name, entry in values['models'].items()}
        return Manifest(folder, values['default'], models)
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f'{path}: the manifest cannot be read: {error!r}') from error


def find_model(model: str, manifest: Manifest | None = None) -> ModelFile:
    """
    Resolve a manifest name, ``default`` or a path to a file, and verify its checksum.

    A path outside the manifest has no checksum to meet; its sha256 is returned all the same.
    Raises ModelError for an unknown name, a file that is missing or no model file, and a checksum
    that differs.
    """
    manifest = manifest or load_manifest()
    name = manifest.default if model == 'default' else model
    if name in manifest.models:
        return _verified(name, manifest)
    path = Path(model).expanduser()
    if not path.is_file():
        raise ModelError(
            f'model {model!r} is neither a shipped model ({", ".join(manifest.models)}) nor an '
            'existing file; check the parameter `model`'
        )
    shipped = {manifest.path_of(key).resolve(): key for key in manifest.models}
    if path.resolve() in shipped:
        return _verified(shipped[path.resolve()], manifest)
    check_model_file(path)
    return ModelFile(path.stem, path, sha256_of(path))


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file in hexadecimal."""
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _verified(name: str, manifest: Manifest) -> ModelFile:
    path, entry = manifest.path_of(name), manifest.models[name]
    if not path.is_file():
        raise ModelError(
            f'{path}: the file of the shipped model {name!r} is missing; '
            'install the package again or give the path of another model'
        )
    found = sha256_of(path)
    if found != entry.sha256:
        raise ModelError(
            f'{path}: the sha256 is {found}, the manifest says {entry.sha256}; '
            'the file is damaged or was replaced: get it again'
        )
    return ModelFile(name, path, found)
