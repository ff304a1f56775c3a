"""New entries in the manifest of models, with its comments and its form kept."""

from dataclasses import asdict
from pathlib import Path
import re
import textwrap

import yaml

from mtshare_ros.config import from_values, require
from mtshare_ros.errors import ConfigError, ModelError
from mtshare_ros.model.description import ModelDescription
from mtshare_ros.model.manifest import load_manifest, Manifest, ManifestEntry, sha256_of
from mtshare_ros.model.writing import replacing

UNSTATED = 'not stated'
_WIDTH = 94
_NAME = re.compile(r'[a-z][a-z0-9_]*')


def describe_file(
    path: Path, description: ModelDescription, *, licence: str = UNSTATED, text: str = ''
) -> ManifestEntry:
    """Return the manifest entry of a model file; ``text`` is what a list of models shows of it."""
    focal = description.focal_length
    return ManifestEntry(
        file=path.name, sha256=sha256_of(path), licence=licence, tasks=description.tasks,
        labels=description.labels.name, input_size=description.architecture.input_size,
        focal_length=None if focal is None else round(focal, 2),
        depth_range=description.depth_range, description=' '.join(text.split()) or UNSTATED)


def entry_text(name: str, entry: ManifestEntry) -> str:
    """Return an entry as it stands in the manifest, YAML indented by two spaces."""
    values = {key: list(value) if isinstance(value, tuple) else value
              for key, value in asdict(entry).items()}
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


def register(name: str, entry: ManifestEntry, folder: Path | None = None) -> Path:
    """
    Put an entry into ``manifest.yaml`` of ``folder``, in place of one of its name.

    Everything else in the file stays as it is, comments too. The file is replaced in one step, and
    only when what it says then was checked. Raises ModelError where there is no such model file or
    the manifest has a form that cannot be kept, ConfigError for a bad name.
    """
    check_name(name)
    manifest = load_manifest(folder)
    _check_file(entry, manifest)
    path = manifest.folder / 'manifest.yaml'
    text = _with_entry(path.read_text(), name, entry_text(name, entry))
    _check_text(text, name, entry, manifest)
    with replacing(path) as partial:
        partial.write_text(text)
    return path


def _check_file(entry: ManifestEntry, manifest: Manifest) -> None:
    path = manifest.folder / entry.file
    if not path.is_file() or sha256_of(path) != entry.sha256:
        raise ModelError(
            f'{path}: no file with the sha256 {entry.sha256} is there; a registered model lies '
            'beside the manifest, copy it there first')


def _with_entry(text: str, name: str, block: str) -> str:
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
    while not lines[end - 1].strip():
        end -= 1
    return ''.join([*lines[:start], block, *lines[end:]])


def _appended(lines: list[str], block: str) -> str:
    """Put a block after the last line that is indented, which ends the last model."""
    last = max((place for place, line in enumerate(lines)
                if line.startswith('  ') and line.strip()), default=len(lines) - 1)
    return ''.join([*lines[:last + 1], block, *lines[last + 1:]])


def _check_text(text: str, name: str, entry: ManifestEntry, manifest: Manifest) -> None:
    expected = {**manifest.models, name: entry}
    try:
        values = yaml.safe_load(text)
        found = {key: from_values(ManifestEntry, entry, key)
                 for key, entry in values['models'].items()}
        kept = found == expected and values['default'] == manifest.default
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ConfigError):
        kept = False
    if not kept:
        raise ModelError(
            f'{manifest.folder / "manifest.yaml"}: the entry of {name} cannot be put in without '
            'changing the rest, because the models are not written one key a line with an '
            'indentation of 2 spaces; nothing was written, add the printed entry by hand')
