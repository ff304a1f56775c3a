"""Open the data sets that lie on disk by name."""

from collections.abc import Callable
from pathlib import Path

from mtshare_ros.data.folder import FolderDataset
from mtshare_ros.data.nyud import NyudDataset
from mtshare_ros.data.pascal import PascalContextDataset
from mtshare_ros.data.sample import SampleSet
from mtshare_ros.errors import DatasetError

_READERS: dict[str, Callable[[Path, str], SampleSet]] = {
    'nyud': NyudDataset, 'pascal': PascalContextDataset, 'folder': FolderDataset,
}
DATASETS = tuple(_READERS)


def open_samples(name: str, root: Path, split: str) -> SampleSet:
    """
    Open a split of ``nyud``, ``pascal`` or ``folder`` below ``root``.

    All files are looked up at once and read later. Raises DatasetError for an unknown name or
    split, a wrong root, and missing folders or files; the message says what is expected where.
    """
    if name not in _READERS:
        raise DatasetError(f'unknown data set {name!r}; allowed are {", ".join(DATASETS)}')
    return _READERS[name](root, split)
