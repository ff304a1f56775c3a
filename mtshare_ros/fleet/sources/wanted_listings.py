"""Listings of the folders in which wanted recordings are, with as few requests as possible."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
import glob
import os
import re

from mtshare_ros.errors import import_extra, RecordingError
from mtshare_ros.fleet.addresses import Address, is_address
from mtshare_ros.fleet.locations import parent_of
from mtshare_ros.fleet.sources.listings import (
    is_shown,
    is_web,
    list_address,
    list_directly,
    list_file,
    list_folder,
    ListedFile,
    Tree,
    tree_of,
)
from mtshare_ros.fleet.sources.wanted import fixed_folder, Wanted

_REQUESTS = 32
"""How many requests wait for the answers of a store at a time."""

_BESIDE = 8
"""For more wanted files in one folder, listing all of the folder takes fewer requests."""

_MISSING = 'there is no such file or folder'


@dataclass(frozen=True)
class Listing:
    """
    The files among which wanted ones are: those of a folder and the folders in it.

    ``matches`` tells locations that are wanted; without it, all files are. Names are relative to
    ``root``. ``of_files`` says that files are wanted, each of them.
    """

    wanted: tuple[Wanted, ...]
    root: str
    tree: Tree
    matches: Callable[[str], bool] | None = None
    of_files: bool = False


@dataclass(frozen=True)
class Fault:
    """What was wanted and cannot be listed, and why."""

    wanted: Wanted
    reason: str


def list_wanted(wanted: Iterable[Wanted]) -> Iterator[Listing | Fault]:
    """Yield the listings of all that is wanted; several files in one folder have one together."""
    wanted = list(wanted)
    yield from _list_local([item for item in wanted if not is_address(item.location)])
    yield from _list_remote([item for item in wanted if is_address(item.location)])


def _list_local(wanted: Sequence[Wanted]) -> Iterator[Listing | Fault]:
    files: dict[str, list[Wanted]] = defaultdict(list)
    for item in wanted:
        path = item.location
        try:
            if item.is_pattern:
                matched = _match(path)
                tree = _tree_around(matched)
                yield Listing((item,), fixed_folder(path), tree, matched.__contains__)
            elif os.path.isdir(path):
                yield Listing((item,), path, list_folder(path))
            elif os.path.isfile(path):
                files[parent_of(path)].append(item)
            else:
                yield Fault(item, f'{path}: {_MISSING}')
        except RecordingError as error:
            yield Fault(item, str(error))
    for folder, items in files.items():
        yield _of_files(items, _list_around(folder, items))


def _list_around(folder: str, wanted: Sequence[Wanted]) -> list[ListedFile]:
    """Return the files of a local folder, at least the wanted ones: hidden, or without others."""
    try:
        files = list_directly(folder)
    except PermissionError:
        files = []
    listed = {file.location for file in files}
    return files + [list_file(item.location) for item in wanted if item.location not in listed]


def _of_files(wanted: Sequence[Wanted], beside: Sequence[ListedFile]) -> Listing:
    """Return the listing of files of one folder; those beside them may belong to them."""
    folder = parent_of(wanted[0].location)
    return Listing(tuple(wanted), folder, {folder: list(beside)},
                   {item.location for item in wanted}.__contains__, of_files=True)


def _match(pattern: str) -> set[str]:
    """Return the local files and folders that match a glob, without hidden ones."""
    root = fixed_folder(pattern)
    return {path.rstrip('/') for path in glob.iglob(pattern, recursive=True)
            if all(map(is_shown, path[len(root):].strip('/').split('/')))}


def _tree_around(matches: set[str]) -> Tree:
    """Return the folders among matches with all they hold, and the folders of the files."""
    tree: Tree = {}
    for path in sorted(matches):
        if os.path.isdir(path):
            # a folder comes before what it holds, and has been listed with it
            if path not in tree:
                tree.update(list_folder(path))
        elif parent_of(path) not in tree:
            tree[parent_of(path)] = list_directly(parent_of(path))
    return tree


def _list_remote(wanted: Sequence[Wanted]) -> Iterator[Listing | Fault]:
    """Yield the listings of what is behind addresses."""
    requests = _plan(wanted)
    files: dict[str, list[Wanted]] = defaultdict(list)
    with ThreadPoolExecutor(_REQUESTS) as pool:
        for (url, items), found in zip(requests.items(), pool.map(_list, requests)):
            if isinstance(found, str):
                yield from (Fault(item, found) for item in items)
                continue
            children = _by_child(url, found)
            for item in items:
                own = found if item.is_pattern else children.get(item.location, [])
                if own and own[0].location == item.location and not is_web(item.location):
                    files[parent_of(item.location)].append(item)
                else:
                    yield _of_own(item, own)
        for items, found in zip(files.values(), pool.map(_list_beside, files)):
            yield from ((Fault(item, found) for item in items) if isinstance(found, str)
                        else (_of_files(items, found),))


def _of_own(wanted: Wanted, files: Sequence[ListedFile]) -> Listing | Fault:
    """Return the listing of files that are those in a folder or around a pattern, or a file."""
    if wanted.is_pattern:
        root = fixed_folder(wanted.location)
        return Listing((wanted,), root, tree_of(root, files), _expression(wanted.location))
    if not files:
        return Fault(wanted, f'{wanted.location}: {_MISSING}')
    if files[0].location == wanted.location:
        return _of_files([wanted], files)
    return Listing((wanted,), wanted.location, tree_of(wanted.location, files))


def _plan(wanted: Sequence[Wanted]) -> dict[str, list[Wanted]]:
    """Return what to list, and what is wanted of it."""
    groups: dict[str, list[Wanted]] = defaultdict(list)
    for item in wanted:
        folder = fixed_folder(item.location) if item.is_pattern else parent_of(item.location)
        groups[folder].append(item)
    requests: dict[str, list[Wanted]] = defaultdict(list)
    for folder, items in groups.items():
        together = not is_web(folder) and (
            len(items) > _BESIDE or any(item.is_pattern for item in items))
        for item in items:
            requests[folder if together else item.location].append(item)
    return requests


def _list(url: str) -> list[ListedFile] | str:
    """Return the files below a URL, or why they cannot be listed."""
    try:
        return list_address(Address(url))
    except RecordingError as error:
        return str(error)


def _by_child(url: str, files: Sequence[ListedFile]) -> Mapping[str, list[ListedFile]]:
    """Return the files below a URL by what they are or lie in directly there, and by itself."""
    children: dict[str, list[ListedFile]] = defaultdict(list)
    for file in files:
        child = file.location[len(url):].strip('/').partition('/')[0]
        if child:
            children[f'{url}/{child}'].append(file)
    children[url] = list(files)
    return children


def _list_beside(folder: str) -> list[ListedFile] | str:
    """Return the files that are directly in a folder, or why they cannot be listed."""
    try:
        return list_address(Address(folder), direct=True)
    except RecordingError as error:
        return str(error)


def _expression(pattern: str) -> Callable[[str], bool]:
    utils = import_extra('fsspec.utils', 'globs in addresses', 'fleet')
    expression = re.compile(utils.glob_translate(pattern))
    return lambda location: expression.match(location) is not None
