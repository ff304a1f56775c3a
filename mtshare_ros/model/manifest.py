"""Models by name: those that ship with the package and those that the user added."""

from dataclasses import dataclass, field
import os
from pathlib import Path
from typing import Any, Iterator, Mapping

import yaml

from mtshare_ros.config import from_values, require
from mtshare_ros.errors import ModelError, MtshareError
from mtshare_ros.file_paths import share_directory, user_models_directory
from mtshare_ros.model.weight_files import check_model_file, sha256_of

MANIFEST = 'manifest.yaml'
_LARGEST_MANIFEST = 1 << 20


@dataclass(frozen=True)
class ManifestEntry:
    """
    One model: what a user may want to know before loading it.

    ``heads_sha256`` is the checksum of the shipped file of heads that a model was made of, empty
    for models whose file was complete.
    """

    file: str
    sha256: str
    licence: str
    tasks: tuple[str, ...]
    labels: str
    input_size: tuple[int, ...]
    focal_length: float | None
    depth_range: tuple[float, ...] | None
    description: str
    heads_sha256: str = ''

    def __post_init__(self) -> None:
        """Raise ConfigError unless ``file`` is the name of a file beside the manifest."""
        path = Path(self.file)
        require(path.name == self.file and path.suffix == '.safetensors', 'file', self.file,
                'the name of a .safetensors file in the folder of the manifest')


@dataclass(frozen=True)
class Manifest:
    """
    The models of one folder by name.

    ``default`` is the model that users get by the name "default", empty where the user chose none
    of the added models. What the user chose comes first, then ``default_when_added`` of the
    shipped models if it was added, then their ``default``. ``heads`` are models whose heads ship
    without a backbone.
    """

    folder: Path
    default: str = ''
    models: dict[str, ManifestEntry] = field(default_factory=dict)
    heads: dict[str, ManifestEntry] = field(default_factory=dict)
    default_when_added: str = ''

    def path_of(self, name: str) -> Path:
        """Return the file of a model by name."""
        return self.folder / self.models[name].file


@dataclass(frozen=True)
class Catalogue:
    """
    The models that ship with the package and those that the user added.

    ``damage`` says why the manifest of the added ones cannot be used, empty where it can; the
    shipped ones can be used in both cases.
    """

    shipped: Manifest
    added: Manifest
    damage: str = ''

    def __iter__(self) -> Iterator[tuple[str, Manifest]]:
        """Yield every name with the manifest that lists it, the added ones last."""
        for manifest in (self.shipped, self.added):
            for name in manifest.models:
                yield name, manifest

    @property
    def default(self) -> str:
        """The name of the default model; raise ModelError where the user's manifest is damaged."""
        if self.damage:
            raise ModelError(f'{self.damage}; until then the model `default` is unknown, give a '
                             f'shipped model by name: {", ".join(self.shipped.models)}')
        preferred = self.shipped.default_when_added
        best = preferred if preferred in self.added.models else self.shipped.default
        return self.added.default or best


@dataclass(frozen=True)
class ModelFile:
    """
    A model file whose checksum was verified, or that no manifest lists.

    ``heads_sha256`` as in ``ManifestEntry``.
    """

    name: str
    path: Path
    sha256: str
    heads_sha256: str = ''


def load_manifest(folder: Path | None = None) -> Manifest:
    """Read ``manifest.yaml`` of a folder; raise ModelError or ConfigError where it is damaged."""
    folder = folder or share_directory() / 'models'
    path = folder / MANIFEST
    try:
        if path.stat().st_size > _LARGEST_MANIFEST:
            raise ValueError(f'it has more than {_LARGEST_MANIFEST} bytes')
        return parse_manifest(path.read_text(encoding='utf-8'), folder)
    except (OSError, ValueError) as error:
        raise ModelError(f'{path}: the manifest cannot be read: {error!r}') from error


def parse_manifest(text: str, folder: Path) -> Manifest:
    """Read the text of a folder's manifest; raise ModelError or ConfigError."""
    path = folder / MANIFEST
    try:
        values = yaml.safe_load(text)
        return Manifest(
            folder, str(values.get('default') or ''), _entries(values['models'], path),
            _entries(values.get('heads'), path), str(values.get('default_when_added') or ''))
    except (ValueError, yaml.YAMLError, KeyError, TypeError, AttributeError,
            RecursionError) as error:
        raise ModelError(f'{path}: the manifest cannot be read: {error!r}') from error


def load_catalogue() -> Catalogue:
    """Read both manifests; raise ModelError or ConfigError where the package's is damaged."""
    shipped, folder = load_manifest(), user_models_directory()
    nothing = Manifest(folder or Path())
    if folder is None or not os.path.lexists(folder / MANIFEST):
        return Catalogue(shipped, nothing)
    try:
        added = load_manifest(folder)
        _check_names(added, shipped)
    except MtshareError as error:
        return Catalogue(shipped, nothing, f'{error}; mend this file or delete it and add the '
                                           'models again')
    return Catalogue(shipped, added)


def find_model(model: str, catalogue: Catalogue | None = None) -> ModelFile:
    """
    Resolve a name, ``default`` or a path to a file, and verify its checksum.

    A file that no manifest lists has no checksum to compare with; its sha256 is returned too.
    Raises ModelError for an unknown name, for a file that is missing or no model file, and for a
    checksum that differs.
    """
    catalogue = catalogue or load_catalogue()
    names = dict(catalogue)
    name = catalogue.default if model == 'default' else model
    if name in names:
        return _verified(name, names[name], catalogue)
    path = Path(model).expanduser()
    if not path.is_file():
        raise ModelError(_unknown(model, catalogue))
    # the path of a listed file is checked like its name
    known = {manifest.path_of(key).resolve(): key for key, manifest in catalogue}
    if path.resolve() in known:
        key = known[path.resolve()]
        return _verified(key, names[key], catalogue)
    check_model_file(path)
    return ModelFile(path.stem, path, sha256_of(path))


def find_heads(name: str, shipped: Manifest) -> ModelFile:
    """Return the shipped file of heads of a model; raise ModelError where it is damaged."""
    entry = shipped.heads[name]
    return _checked(name, shipped.folder / entry.file, entry, 'shipped heads of the model',
                    'install the package again')


def _entries(values: Mapping[str, Any] | None, path: Path) -> dict[str, ManifestEntry]:
    return {str(name): from_values(ManifestEntry, entry, f'{path}: {name}')
            for name, entry in (values or {}).items()}


def _check_names(added: Manifest, shipped: Manifest) -> None:
    path, names = added.folder / MANIFEST, (*shipped.models, *added.models)
    taken = next((name for name in added.models if name in (*shipped.models, 'default')), None)
    if taken is not None:
        raise ModelError(f'{path}: the name {taken!r} is taken by the package; an added model '
                         'needs another one')
    if added.default and added.default not in names:
        raise ModelError(f'{path}: default is {added.default!r}, which is no model; allowed are '
                         f'{", ".join(names)}, or no such line')


def _unknown(model: str, catalogue: Catalogue) -> str:
    if model in catalogue.shipped.heads and not catalogue.damage:
        return (f'model {model!r} is not complete: its heads ship with the package, its backbone '
                f'does not; get that with: mtshare models add {model}')
    added = ', '.join(catalogue.added.models)
    added = f', nor an added one ({added})' if added else ''
    damage = f'; {catalogue.damage}' if catalogue.damage else ''
    return (f'model {model!r} is neither a shipped model ({", ".join(catalogue.shipped.models)})'
            f'{added} nor an existing file; check the parameter `model`{damage}')


def _verified(name: str, manifest: Manifest, catalogue: Catalogue) -> ModelFile:
    path, entry = manifest.path_of(name), manifest.models[name]
    shipped = manifest is catalogue.shipped
    advice = ('install the package again or give the path of another model' if shipped else
              f'add it again (mtshare models add {name})' if name in catalogue.shipped.heads else
              f'register it again, or remove it: mtshare models remove {name}')
    return _checked(name, path, entry, f'{"shipped" if shipped else "added"} model', advice)


def _checked(name: str, path: Path, entry: ManifestEntry, kind: str, advice: str) -> ModelFile:
    if not path.is_file():
        raise ModelError(f'{path}: the file of the {kind} {name!r} is missing; {advice}')
    found = sha256_of(path)
    if found != entry.sha256:
        raise ModelError(
            f'{path}: the sha256 is {found}, the manifest says {entry.sha256}; '
            'the file is damaged or was replaced: get it again')
    return ModelFile(name, path, found, entry.heads_sha256)
