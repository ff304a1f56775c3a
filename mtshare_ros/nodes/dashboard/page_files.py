"""The files of the page, read once: what is not among them does not exist."""

from dataclasses import dataclass
from importlib.resources import files

_TYPES = {
    '.html': 'text/html; charset=utf-8', '.css': 'text/css; charset=utf-8',
    '.js': 'text/javascript; charset=utf-8', '.svg': 'image/svg+xml',
}
_START = 'index.html'


@dataclass(frozen=True)
class PageFile:
    """One file as a browser gets it."""

    content: bytes
    content_type: str


def load_page_files() -> dict[str, PageFile]:
    """Return the files by the path in their address; the page itself is ``/``."""
    found = {}
    for file in files('mtshare_ros.nodes.dashboard').joinpath('page').iterdir():
        ending = file.name[file.name.rfind('.'):]
        if ending in _TYPES:
            path = '/' if file.name == _START else f'/{file.name}'
            found[path] = PageFile(file.read_bytes(), _TYPES[ending])
    return found
