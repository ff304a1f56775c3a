"""Processes that find a module absent, whether it is installed or not."""

BLOCKER = """\
from importlib.machinery import PathFinder
import sys


class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.split('.')[0] in {names!r}:
            return None
        return PathFinder.find_spec(name, path, target)


sys.meta_path[sys.meta_path.index(PathFinder)] = Without
"""


def block(folder, *names):
    """Write a sitecustomize that makes modules absent; return its folder for PYTHONPATH."""
    (folder / 'sitecustomize.py').write_text(BLOCKER.format(names=names))
    return folder
