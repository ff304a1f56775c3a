"""The search for recordings in the files, folders and globs that were asked for."""

from collections.abc import Callable, Iterable, Sequence

from mtshare_ros.fleet.locations import ancestors, below
from mtshare_ros.fleet.output.layout import FLEET_FILE, OUTPUTS
from mtshare_ros.fleet.sources.listings import ListedFile, Tree
from mtshare_ros.fleet.sources.recording_files import (
    count_endings,
    find_recordings,
    FoundRecording,
)
from mtshare_ros.fleet.sources.wanted import Wanted
from mtshare_ros.fleet.sources.wanted_listings import Fault, list_wanted, Listing
from mtshare_ros.recording.bag_folder import METADATA

_ALLOWED = ('recordings are bags (folders, .mcap, .db3, also packed by zstd), videos, and folders '
            'of images')


class Search:
    """
    The recordings in files, folders and globs.

    A file of a recording with several files stands for the whole. ``found`` has each recording
    with the folder that its name is relative to. ``faults`` are sentences about what does not
    exist or holds no recordings.
    """

    def __init__(self, wanted: Iterable[Wanted], output: str) -> None:
        self.found: dict[FoundRecording, str] = {}
        self.faults: list[str] = []
        self._output = output
        self._others: dict[str, ListedFile] = {}
        self._outputs: set[str] = set()
        self._parts: set[str] = set()
        wanted = list(wanted)
        inside = [item for item in wanted if output and below(item.location, output)]
        for item in inside:
            self._fail(item, f'{item.location}: lies in the output; give another --output')
        for listing in list_wanted(item for item in wanted if item not in inside):
            if isinstance(listing, Fault):
                self._fail(listing.wanted, listing.reason)
            else:
                self._take(listing)

    @property
    def notices(self) -> list[str]:
        """Sentences about what was left out or added."""
        notices = []
        if self._others:
            notices.append(f'left out {count_endings(self._others.values())}, by their names no '
                           f'recordings{_advice(self._others.values())}')
        lost = [location for location, file in self._others.items() if file.name == METADATA]
        if lost:
            notices.append(f'{len(lost)} {METADATA} without a file of a bag beside it, such as '
                           f'{lost[0]}: if that was a bag, its files are missing')
        notices += [_describe_output('left out ', folder) for folder in sorted(self._outputs)]
        if self._parts:
            notices.append(f'{len(self._parts)} of the files that were given are parts of '
                           'recordings, which are computed whole')
        return notices

    def _fail(self, wanted: Wanted, reason: str) -> None:
        self.faults.append(f'{reason}{wanted.origin}')

    def _take(self, listing: Listing) -> None:
        """Take the recordings that are wanted, or hold or lie in what is."""
        contents = find_recordings(self._prune(listing.tree))
        wants = _within(listing)
        others = [file for file in contents.others if wants(file.location)]
        chosen: set[str] = set()
        for recording in contents.recordings:
            parts = [] if wants(recording.location) else [
                file.location for file in recording.files if wants(file.location)]
            if parts or wants(recording.location):
                self.found.setdefault(recording, listing.root)
                chosen.update(parts, [recording.location])
            if parts and len(parts) < sum(file.name != METADATA for file in recording.files):
                self._parts.update(parts)
        if listing.of_files:
            for item in listing.wanted:
                if item.location not in chosen:
                    files = [file for file in others if file.location == item.location]
                    self._fail(item, f'{item.location}: is no recording by its name; {_ALLOWED}'
                               f'{_advice(files)}')
        elif chosen:
            self._others.update((file.location, file) for file in others)
        else:
            self._fail(listing.wanted[0], self._without(listing.wanted[0], others))

    def _without(self, wanted: Wanted, others: Sequence[ListedFile]) -> str:
        """Return the message about a folder or a glob without recordings."""
        location = wanted.location
        if location in self._outputs:
            return _describe_output('', location)
        inside = f', only {count_endings(others)}' if others else ''
        matches = 'matches' if wanted.is_pattern else 'holds'
        return f'{location}: {matches} no recordings{inside}; {_ALLOWED}{_advice(others)}'

    def _prune(self, tree: Tree) -> Tree:
        """Return a tree without outputs of fleets."""
        outputs = {folder for folder, files in tree.items()
                   if any(file.name == FLEET_FILE for file in files)
                   and _has_outputs(folder, tree)}
        self._outputs |= outputs - {self._output}
        outputs.add(self._output)
        return {folder: files for folder, files in tree.items()
                if folder not in outputs and outputs.isdisjoint(ancestors(folder))}


def _advice(others: Iterable[ListedFile]) -> str:
    """Return what to do with recordings of ROS 1 among files that are no recordings, or ''."""
    if any(file.name.endswith('.bag') for file in others):
        return '; convert bags of ROS 1 (.bag) with rosbags-convert'
    return ''


def _has_outputs(folder: str, tree: Tree) -> bool:
    """
    Return whether a fleet has written anything into its output.

    It has not where the folder of the recordings was given as the output, which is refused.
    """
    return any(file.name in OUTPUTS for file in tree[folder]) or any(
        below(other, f'{folder}/{name}') for name in OUTPUTS for other in tree)


def _within(listing: Listing) -> Callable[[str], bool]:
    """Return what tells whether a location, or a folder between it and the root, is wanted."""
    matches, root = listing.matches, listing.root
    if matches is None:
        return lambda location: True
    return lambda location: matches(location) or any(
        matches(folder) for folder in ancestors(location) if below(folder, root))


def _describe_output(start: str, folder: str) -> str:
    return (f'{start}{folder}: it is the output of a fleet; to compute its bags, give '
            f'{folder}/bags')
