"""Where files are: those shipped beside the code, and the models that the user added."""

import os
from pathlib import Path
import sys
from typing import Mapping

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


def user_models_directory(environment: Mapping[str, str] = os.environ) -> Path | None:
    """
    Return the folder of the models that the user added, which need not exist.

    It is $MTSHARE_MODELS, else mtshare_ros/models in $XDG_DATA_HOME or in ~/.local/share; None
    for a user without a home.
    """
    if chosen := environment.get('MTSHARE_MODELS'):
        return Path(os.path.expanduser(chosen)).absolute()
    data = environment.get('XDG_DATA_HOME', '')
    if not os.path.isabs(data):  # the standard says that a relative one does not count
        data = os.path.join(environment.get('HOME') or os.path.expanduser('~'), '.local', 'share')
    return Path(data) / PACKAGE / 'models' if os.path.isabs(data) else None
