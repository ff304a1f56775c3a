"""Where the files shipped beside the code are: configuration, label sets, models, launch files."""

import os
from pathlib import Path
import sys

PACKAGE = 'mtshare_ros'


def share_directory() -> Path:
    """
    Return the folder that holds ``config/``, ``models/`` and ``launch/``.

    A source checkout comes first, so that edits there act at once; then the prefixes of the ament
    index, then the prefix of this Python.
    """
    checkout = Path(__file__).resolve().parent.parent
    if (checkout / 'package.xml').is_file():
        return checkout
    prefixes = os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep) + [sys.prefix]
    candidates = [Path(prefix) / 'share' / PACKAGE for prefix in prefixes if prefix]
    for candidate in candidates:
        if (candidate / 'package.xml').is_file():
            return candidate
    looked = ', '.join(str(path) for path in [checkout, *candidates])
    raise FileNotFoundError(
        f'the shared files of {PACKAGE} are missing; looked in {looked}; install the package again'
    )
