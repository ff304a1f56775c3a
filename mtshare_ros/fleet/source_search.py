"""The search for recordings in the files, folders and globs that were asked for."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
import glob
import os
import re

from mtshare_ros.errors import import_extra, RecordingError
from mtshare_ros.fleet.addresses import Address, is_address
from mtshare_ros.fleet.listings import (
    ancestors,
    below,
    is_shown,
    list_address,
    list_directly,
    list_file,
    list_folder,
    ListedFile,
    parent_of,
    Tree,
    tree_of,
)
from mtshare_ros.fleet.recording_files import (
    count_endings,
    file_recording,
    find_recordings,
    FoundRecording,
)
from mtshare_ros.fleet.source_texts import fixed_folder, Wanted
from mtshare_ros.recording.bag_folder import METADATA

FLEET_FILE = 'fleet.json'
"""The file that marks the output of a fleet."""

_ALLOWED = ('recordings are bags (folders, .mcap, .db3, also packed by zstd), videos, and folders '
            'of images')

_REQUESTS = 32
"""How many requests wait for the answers of a store at a time."""

_BESIDE = 8
"""For so many wanted files in one folder, listing all of the folder takes fewer requests."""

Matches = Callable[[str], bool]


class Search:
    """
    The recordings in files, folders and globs.

    ``found`` has each recording with the folder that its name is relative to. ``faults`` are
    sentences about what does not exist or holds no recordings.
    """

    def __init__(self, wanted: Iterable[Wanted], output: str) -> None:
        self.found: dict[FoundRecording, str] = {}
        self.faults: list[str] = []
        self._output = output
        self._others: dict[str, ListedFile] = {}
        self._outputs: set[str] = set()
        self._enlarged: set[str] = set()
        wanted = list(wanted)
        for item in wanted:
            if output and below(item.location, output):
                self.faults.append(f'{item}: lies in the output folder; give another --output')
            elif not is_address(item.location):
                self._attempt(self._search_local, item)
        self._search_remote([item for item in wanted if is_address(item.location)])

    @property
    def notices(self) -> list[str]:
        """Sentences about what was left out."""
        notices = []
        if self._others:
            notices.append(f'left out {count_endings(self._others.values())}, by their names no '
                           'recordings')
        notices += [f'left out {folder}: it is the output of a fleet; to compute its bags, give '
                    f'{folder}/bags' for folder in sorted(self._outputs)]
        if self._enlarged:
            notices.append(f'{len(self._enlarged)} files that match are parts of recordings with '
                           'several files, which are computed whole')
        return notices

    def _attempt(self, search: Callable[[Wanted], None], wanted: Wanted) -> None:
        try:
            search(wanted)
        except RecordingError as error:
            self.faults.append(f'{error}{wanted.origin}')

    def _search_local(self, wanted: Wanted) -> None:
        path = wanted.location
        if wanted.is_pattern:
            matches = _match(path)
            self._take_matching(wanted, _tree_around(matches), matches.__contains__)
        elif os.path.isdir(path):
            self._take_tree(wanted, list_folder(path))
        elif os.path.isfile(path):
            self._take_file(list_file(path))
        else:
            raise RecordingError(f'{path}: there is no such file or folder')

    def _search_remote(self, wanted: Sequence[Wanted]) -> None:
        """Search behind addresses, folders with many of them by one listing."""
        groups: dict[str, list[Wanted]] = defaultdict(list)
        for item in wanted:
            folder = fixed_folder(item.location) if item.is_pattern else parent_of(item.location)
            groups[folder].append(item)
        listings: dict[str, list[Wanted]] = {}
        for folder, items in groups.items():
            single = [item for item in items if not item.is_pattern]
            if len(single) < len(items) or len(items) > _BESIDE:
                listings[folder] = items
            else:
                listings.update((item.location, [item]) for item in single)
        with ThreadPoolExecutor(_REQUESTS) as pool:
            for folder, files in zip(listings, pool.map(_list_or_fault, listings)):
                if isinstance(files, RecordingError):
                    self.faults.append(str(files))
                else:
                    self._take_listing(folder, files, listings[folder])

    def _take_listing(
        self, folder: str, files: Sequence[ListedFile], wanted: Sequence[Wanted]
    ) -> None:
        """Take what is wanted of the files below a folder behind an address."""
        children: dict[str, list[ListedFile]] = defaultdict(list)
        for file in files:
            child = file.location[len(folder):].strip('/').partition('/')[0]
            children[f'{folder}/{child}' if child else folder].append(file)
        for item in wanted:
            own = files if item.is_pattern or item.location == folder else children.get(
                item.location, [])
            self._attempt(partial(self._take_remote, files=own), item)

    def _take_remote(self, wanted: Wanted, files: Sequence[ListedFile]) -> None:
        if wanted.is_pattern:
            tree = tree_of(fixed_folder(wanted.location), files)
            self._take_matching(wanted, tree, _expression(wanted.location))
        elif not files:
            raise RecordingError(f'{wanted.location}: there is no such file or folder')
        elif files[0].location == wanted.location:
            self._take_file(files[0])
        else:
            self._take_tree(wanted, tree_of(wanted.location, files))

    def _take_file(self, file: ListedFile) -> None:
        recording = file_recording(file)
        if recording is None:
            raise RecordingError(f'{file.location}: is no recording by its name; {_ALLOWED}')
        self.found.setdefault(recording, parent_of(file.location))

    def _take_tree(self, wanted: Wanted, tree: Tree) -> None:
        contents = find_recordings(self._prune(tree))
        self._others.update((file.location, file) for file in contents.others)
        if not contents.recordings:
            if wanted.location in self._outputs:
                raise RecordingError(f'{wanted.location}: is the output of a fleet; to compute '
                                     f'its bags, give {wanted.location}/bags')
            inside = f'it has {count_endings(contents.others)}; ' if contents.others else ''
            raise RecordingError(
                f'{wanted.location}: holds no recordings; {inside}{_ALLOWED}')
        for recording in contents.recordings:
            self.found.setdefault(recording, wanted.location)

    def _take_matching(self, wanted: Wanted, tree: Tree, matches: Matches) -> None:
        """Take recordings that match, of which a part matches, or that lie in what matches."""
        root = fixed_folder(wanted.location)
        contents = find_recordings(self._prune(tree))
        chosen = []
        for recording in contents.recordings:
            if _lies_in(recording.location, root, matches):
                chosen.append(recording)
            elif parts := [file.location for file in recording.files if matches(file.location)]:
                chosen.append(recording)
                if len(parts) < sum(file.name != METADATA for file in recording.files):
                    self._enlarged.update(parts)
        others = [file for file in contents.others if _lies_in(file.location, root, matches)]
        self._others.update((file.location, file) for file in others)
        if not chosen:
            inside = f'only {count_endings(others)}' if others else 'nothing'
            raise RecordingError(f'{wanted.location}: matches {inside}; {_ALLOWED}')
        for recording in chosen:
            self.found.setdefault(recording, root)

    def _prune(self, tree: Tree) -> Tree:
        """Return a tree without outputs of fleets."""
        outputs = {folder for folder, files in tree.items()
                   if any(file.name == FLEET_FILE for file in files)}
        self._outputs |= outputs - {self._output}
        outputs.add(self._output)
        return {folder: files for folder, files in tree.items()
                if folder not in outputs and outputs.isdisjoint(ancestors(folder))}


def _lies_in(location: str, root: str, matches: Matches) -> bool:
    """Return whether a location, or a folder between it and the root, matches."""
    return matches(location) or any(
        matches(folder) for folder in ancestors(location) if below(folder, root))


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


def _expression(pattern: str) -> Matches:
    utils = import_extra('fsspec.utils', 'globs in addresses', 'fleet')
    expression = re.compile(utils.glob_translate(pattern))
    return lambda location: expression.match(location) is not None


def _list_or_fault(url: str) -> list[ListedFile] | RecordingError:
    try:
        return list_address(Address(url))
    except RecordingError as error:
        return error
