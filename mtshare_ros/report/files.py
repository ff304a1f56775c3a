"""The JSON files that a report is made of."""

from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any, Mapping

from mtshare_ros.errors import ConfigError

KINDS = {
    'images': 'mtshare evaluate MODEL --json',
    'sizes': 'mtshare evaluate MODEL --input-size HxW --json',
    'clips': 'mtshare evaluate MODEL --clips --json',
    'info': 'mtshare models info MODEL --json',
    'bench': 'mtshare bench --json',
}
"""The folders of the figures, and the commands that write their files."""

NOTES = 'notes.md'
IMAGES_SEEN = 'images_seen.json'

Files = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Results:
    """
    The contents of the files by kind and name; what was not measured is not there.

    ``notes`` is what the people who trained have to say of it, Markdown.
    """

    images: Files
    sizes: Files
    clips: Files
    info: Files
    bench: Files
    notes: str = ''


def read_results(folder: Path) -> Results:
    """
    Read ``folder/KIND/NAME.json``, and notes where there are some.

    Raises ConfigError where there are no figures or a file is damaged.
    """
    found = {kind: {path.stem: _read(path) for path in sorted((folder / kind).glob('*.json'))}
             for kind in KINDS}
    if not any(found.values()):
        raise ConfigError(f'{folder} holds no figures; allowed is a folder with NAME.json in '
                          + ', '.join(f'{kind}/ ({command})' for kind, command in KINDS.items()))
    notes = folder / NOTES
    text = notes.read_text(encoding='utf-8') if notes.is_file() else ''
    return Results(**found, notes=text.strip())


def read_images_seen(folder: Path) -> dict[str, int]:
    """
    Return how many images led to networks whose training was not what the recipe says.

    ``folder/images_seen.json`` holds them by name; empty where there is none.
    """
    path = folder / IMAGES_SEEN
    return {name: int(count) for name, count in _read(path).items()} if path.is_file() else {}


def at(values: Any, *keys: str) -> Any:
    """Return what stands at nested keys of a file, None where nothing does."""
    for key in keys:
        if not isinstance(values, Mapping):
            return None
        values = values.get(key)
    return values


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding='utf-8'))
    except OSError as error:
        raise ConfigError(f'{path}: cannot be read: {error.strerror}') from error
    except ValueError as error:
        raise ConfigError(f'{path}: is not JSON ({error}); {_mending(path)}') from error
    if not isinstance(values, dict):
        raise ConfigError(f'{path}: holds {type(values).__name__}, not keys and values; '
                          f'{_mending(path)}')
    return values


def _mending(path: Path) -> str:
    command = KINDS.get(path.parent.name)
    return f'write it again with {command} {path}' if command else 'mend or delete it'
