"""Find the files of a data set, and say what is expected where if one is missing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mtshare_ros.errors import DatasetError

_LAYOUTS = 'docs/datasets.md shows how the folders lie'


@dataclass(frozen=True)
class DatasetTree:
    """
    The folders of a data set, relative to ``root``; ``title`` is its name in errors.

    Raises DatasetError where ``root`` is no folder.
    """

    title: str
    root: Path

    def __post_init__(self) -> None:
        """Raise DatasetError where the root is no folder."""
        if not self.root.is_dir():
            raise DatasetError(f'{self.root} is not a folder; {self.title} is expected there '
                               f'({_LAYOUTS})')

    def split(self, folder: str, split: str) -> tuple[str, ...]:
        """Return the ids that ``folder/split.txt`` lists, one a line."""
        path = self.root / folder / f'{split}.txt'
        try:
            names = tuple(path.read_text(encoding='utf-8').split())
        except (OSError, UnicodeDecodeError):
            known = ', '.join(sorted(file.stem for file in path.parent.glob('*.txt')))
            raise DatasetError(
                f'{path} cannot be read; it lists the ids of the split {split!r} of {self.title}, '
                f'one a line; splits found there: {known or "none"} ({_LAYOUTS})') from None
        if not names:
            raise DatasetError(f'{path} is empty; it should list ids, one a line')
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise DatasetError(
                f'{path} lists {len(twice)} of {len(set(names))} ids more than once, the first '
                f'being {twice[0]}; expected is each id once, or its image would count double: '
                'remove the others')
        return names

    def listing(self, folder: str, holds: str) -> dict[str, Path]:
        """Return the files of a folder by name, sorted; ``holds`` says what they should be."""
        path = self.root / folder
        if not path.is_dir():
            raise DatasetError(f'{path} is missing; it should hold {holds} of {self.title} '
                               f'({_LAYOUTS})')
        return {file.name: file for file in sorted(path.iterdir())}

    def files(self, folders: Sequence[str], holds: str, names: Sequence[str],
              extensions: Sequence[str]) -> tuple[Path, ...]:
        """Return each id's file: in the first of the folders, with the first extension, it has."""
        there = [folder for folder in folders if (self.root / folder).is_dir()] or folders
        listings = [self.listing(folder, holds) for folder in there]
        found = [_first(listings, name, extensions) for name in names]
        missing = [name for name, path in zip(names, found) if path is None]
        if missing:
            raise DatasetError(
                f'{self.root / folders[0]} lacks {holds} for {len(missing)} of {len(names)} ids '
                f'of {self.title}, the first being {missing[0]} ({" or ".join(extensions)}); '
                'unpack the data set again')
        return tuple(path for path in found if path is not None)


def _first(listings: Sequence[Mapping[str, Path]], name: str,
           extensions: Sequence[str]) -> Path | None:
    candidates = (listing.get(f'{name}{extension}')
                  for listing in listings for extension in extensions)
    return next((path for path in candidates if path is not None), None)
