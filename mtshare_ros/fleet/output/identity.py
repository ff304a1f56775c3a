"""What the command that began a fleet was to do; another command must not go on with it."""

from collections.abc import Mapping
import json
from typing import Any

from mtshare_ros.errors import PlaceError, RecordingError
from mtshare_ros.fleet.output.layout import FLEET_FILE, OUTPUTS
from mtshare_ros.fleet.output.places import Place


def begin_fleet(place: Place, wanted: Mapping[str, Any], *, overwrite: bool = False) -> None:
    """
    Check that a place is new, or was begun by the same command; write down what is wanted.

    ``wanted`` has what the results depend on, by the words that messages call it. With
    ``overwrite``, what another command wrote is removed. Raises RecordingError, naming the first
    difference, where another command wrote there.
    """
    # as it will be read: JSON has lists only, and no integer keys
    wanted = json.loads(json.dumps(dict(wanted)))
    before = read_identity(place)
    if before is None:
        _check_empty(place)
    elif before == wanted:
        return
    # a command that ended before it wrote anything, say for a wrong option, is in nobody's way
    elif overwrite or not _outputs_in(place):
        clear_fleet(place)
    else:
        check_identity(before, wanted, place.text)
    text = json.dumps(wanted, indent=1, ensure_ascii=False)
    place.write_bytes(FLEET_FILE, f'{text}\n'.encode())


def read_identity(place: Place) -> dict[str, Any] | None:
    """Return what the command that began in a place was to do, None where none has begun."""
    if place.size(FLEET_FILE) is None:
        return None
    try:
        value = json.loads(place.read_bytes(FLEET_FILE))
    except ValueError as error:
        raise PlaceError(f'{place.text}/{FLEET_FILE}: is damaged ({error}); put back a copy '
                         'of it, or give another --output') from error
    if not isinstance(value, dict):
        raise PlaceError(f'{place.text}/{FLEET_FILE}: is not what a fleet writes; give another '
                         '--output')
    return value


def check_identity(before: Mapping[str, Any], wanted: Mapping[str, Any], place: str) -> None:
    """Raise RecordingError, naming the first difference, where two commands differ."""
    for name in [*wanted, *(name for name in before if name not in wanted)]:
        if before.get(name) != wanted.get(name):
            raise RecordingError(
                f'{place} is the output of another command: {name} was {before.get(name)!r}, now '
                f'it is {wanted.get(name)!r}; repeat that command, with more sources if you like, '
                'give another --output, or begin anew with --overwrite')


def clear_fleet(place: Place) -> None:
    """Remove all that a fleet wrote into a place; other files stay."""
    for name in OUTPUTS:
        place.remove(name, recursive=True)
    # last, as without it the rest would be taken for a stranger's
    place.remove(FLEET_FILE)


def _check_empty(place: Place) -> None:
    taken = _outputs_in(place)
    if taken:
        raise RecordingError(
            f'{place.text}: holds {", ".join(taken)}, but no {FLEET_FILE}, so it is not the '
            'output of a fleet; give another --output')


def _outputs_in(place: Place) -> list[str]:
    return sorted(place.entries().intersection(OUTPUTS))
