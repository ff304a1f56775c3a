"""The label set that the legend names classes by."""

from pathlib import Path

from mtshare_ros.errors import ConfigError
from mtshare_ros.labels import LabelSet, load_labels, read_labels
from mtshare_ros.nodes.notices import Notices


class ClassNames:
    """
    The label set that was asked for, otherwise that of the model, as soon as the node names it.

    ``asked`` is a name in ``config/labels``, the path of a label file, or empty; ConfigError is
    raised where it is not there.
    """

    def __init__(self, asked: str, notices: Notices) -> None:
        self._notices = notices
        self._follows = not asked
        self._name = ''
        self.labels: LabelSet | None = _load(asked) if asked else None

    def follow(self, name: str) -> None:
        """Take the set of this name where none was asked for; warn where it is not there."""
        if not self._follows or name in ('', self._name):
            return
        self._name = name
        self.labels = None
        try:
            self.labels = load_labels(name)
        except ConfigError as error:
            self._notices.warn('labels', (
                f'the legend cannot name the classes of the model: {error}; set the parameter '
                f'labels of the dashboard to the label file it was trained with'
            ))


def _load(asked: str) -> LabelSet:
    path = Path(asked).expanduser()
    return read_labels(path) if path.is_file() else load_labels(asked)
