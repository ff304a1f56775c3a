"""Adding and removing manifest entries of models; comments and layout of the file are kept."""

from dataclasses import asdict, replace
from pathlib import Path
import re
import textwrap

import yaml

from mtshare_ros.config import require
from mtshare_ros.errors import ModelError, MtshareError
from mtshare_ros.file_paths import user_models_directory
from mtshare_ros.model.description import ModelDescription
from mtshare_ros.model.manifest import (
    Catalogue,
    load_catalogue,
    load_manifest,
    MANIFEST,
    Manifest,
    ManifestEntry,
    parse_manifest,
)
from mtshare_ros.model.quality import quality_path
from mtshare_ros.model.weight_files import replacing, sha256_of

UNSTATED = 'not stated'
_NEW_MANIFEST = """\
# Models that mtshare put here: `mtshare models add`, `mtshare calibrate --register`.
# A line `default: NAME` chooses what the word default means.
models:
"""
_WIDTH = 94
_NAME = re.compile(r'[a-z][a-z0-9_]*')


def describe_file(
    path: Path, description: ModelDescription, *, licence: str = UNSTATED, text: str = '',
    heads_sha256: str = '',
) -> ManifestEntry:
    """Return the manifest entry of a model file; ``text`` is what a list of models shows of it."""
    focal = description.focal_length
    return ManifestEntry(
        file=path.name, sha256=sha256_of(path), licence=licence, tasks=description.tasks,
        labels=description.labels.name, input_size=description.architecture.input_size,
        focal_length=None if focal is None else round(focal, 2),
        depth_range=description.depth_range, description=' '.join(text.split()) or UNSTATED,
        heads_sha256=heads_sha256)


def entry_text(name: str, entry: ManifestEntry) -> str:
    """Return an entry as it is written in the manifest, YAML indented by two spaces."""
    values = {key: list(value) if isinstance(value, tuple) else value
              for key, value in asdict(entry).items() if (key, value) != ('heads_sha256', '')}
    text = str(values.pop('description'))
    # One line a key: a scalar that PyYAML wraps is hard to compare by eye.
    head = yaml.safe_dump({name: values}, sort_keys=False, default_flow_style=None, width=10_000)
    body = textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
    return textwrap.indent(head + '  description: >-\n' + textwrap.indent(body, '    '),
                           '  ') + '\n'


def check_name(name: str) -> None:
    """Raise ConfigError unless a model can be registered under this name."""
    plain = isinstance(yaml.safe_load(name), str) if _NAME.fullmatch(name) else False
    require(plain and name != 'default', 'the name of the model', name,
            'lower-case letters, digits and underscores, a letter first; not "default" and no '
            'word that YAML reads as a value, such as "yes"')


def folder_for(name: str) -> Path:
    """
    Return the folder of a model: the package's for shipped models, the user's for others.

    Raises ModelError where the user's manifest is damaged or the user has no folder for models.
    """
    catalogue = load_catalogue()
    if name in catalogue.shipped.models:
        return catalogue.shipped.folder
    if catalogue.damage:
        raise ModelError(catalogue.damage)
    folder = user_models_directory()
    if folder is None:
        raise ModelError('this user has no home folder to keep models in; set the environment '
                         'variable MTSHARE_MODELS to a folder')
    return folder


def register(name: str, entry: ManifestEntry, folder: Path | None = None) -> Path:
    """
    Write an entry into ``manifest.yaml`` of ``folder``, in place of one with its name.

    A folder without a manifest gets one. Everything else in the file stays as it is, comments
    too. The file is replaced in one step, after the new text was read back as a check. Raises
    ModelError where there is no such model file or the manifest has a form that cannot be kept,
    ConfigError for a bad name.
    """
    check_name(name)
    if folder is not None and not (folder / MANIFEST).exists():
        text, manifest = _NEW_MANIFEST, Manifest(folder)
    else:
        manifest = load_manifest(folder)
        text = (manifest.folder / MANIFEST).read_text(encoding='utf-8')
    _check_file(entry, manifest)
    block = entry_text(name, entry)
    expected = replace(manifest, models={**manifest.models, name: entry})
    return _write(_with_entry(text, name, block), expected, f'put in {name}')


def unregister(name: str, folder: Path) -> Path:
    """
    Remove the entry of a model from ``manifest.yaml`` of a folder, and ``default`` if it names it.

    Raises ModelError where there is no such entry, or the manifest has a form that cannot be kept.
    """
    manifest = load_manifest(folder)
    if name not in manifest.models:
        raise ModelError(f'{folder / MANIFEST}: there is no model {name!r}; there are: '
                         f'{", ".join(manifest.models) or "none"}')
    text = _with_entry((folder / MANIFEST).read_text(encoding='utf-8'), name, '')
    default = '' if manifest.default == name else manifest.default
    if not default:
        text = re.sub(r'(?m)^default:.*\n', '', text)
    models = {key: entry for key, entry in manifest.models.items() if key != name}
    return _write(text, replace(manifest, default=default, models=models), f'take out {name}')


def _check_file(entry: ManifestEntry, manifest: Manifest) -> None:
    path = manifest.folder / entry.file
    if not path.is_file() or sha256_of(path) != entry.sha256:
        raise ModelError(
            f'{path}: no file with the sha256 {entry.sha256} is there; a registered model lies '
            'beside the manifest, copy it there first')


def _with_entry(text: str, name: str, block: str) -> str:
    # The text is edited by lines, because YAML that is read and written loses its comments.
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith('\n'):
        lines[-1] += '\n'
    start = next((place for place, line in enumerate(lines)
                  if re.match(rf'  {name}:\s*(#.*)?$', line)), None)
    if start is None:
        return _appended(lines, block)
    end = start + 1
    while end < len(lines) and (lines[end].startswith('   ') or not lines[end].strip()):
        end += 1
    # blank lines after the entry stay where they are
    while not lines[end - 1].strip():
        end -= 1
    return ''.join([*lines[:start], block, *lines[end:]])


def _appended(lines: list[str], block: str) -> str:
    """Put a block after the last line that is indented, which ends the last model."""
    last = max((place for place, line in enumerate(lines)
                if line.startswith('  ') and line.strip()), default=len(lines) - 1)
    return ''.join([*lines[:last + 1], block, *lines[last + 1:]])


def _write(text: str, expected: Manifest, action: str) -> Path:
    """Write the text of a manifest; raise ModelError unless it reads as ``expected``."""
    path = expected.folder / MANIFEST
    try:
        kept = parse_manifest(text, expected.folder) == expected
    except MtshareError:
        kept = False
    if not kept:
        raise ModelError(
            f'{path}: cannot {action} without changing the rest, because the models are not '
            'written one key a line with an indentation of 2 spaces; nothing was written, edit '
            'the file by hand')
    with replacing(path) as partial:
        partial.write_text(text, encoding='utf-8')
    return path


def remove_model(name: str, catalogue: Catalogue) -> tuple[Path, ...]:
    """
    Delete an added model with its metrics, and return the deleted files.

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
