"""A folder of arrays that several programs want is filled once."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Event
from time import sleep

import numpy as np

from mtshare_ros.data.rooms.array_folder import fill_folder, open_array, open_arrays


@dataclass(frozen=True)
class Numbers:
    """A folder of numbers."""

    count: int
    done: int = 0

    def layout(self):
        return {'number': ((self.count,), 'u1')}


def fill(folder, filled, progress=None, pause=None):
    """Fill a folder with numbers from 1 on; ``filled`` gets the places that this call fills."""
    def fill_one(directory, meta, index):
        filled.append(index)
        if pause is not None:
            assert pause.wait(60)
        open_array(directory, meta, 'number', 'r+')[index] = index + 1
        return index

    fill_folder(folder, Numbers(3), 1, fill_one, workers=1, progress=progress)
    return open_arrays(folder, Numbers(3, done=3))['number']


def test_of_two_programs_one_fills_the_folder_and_the_other_waits_and_tells_how_far_it_is(
        tmp_path):
    first, second, told, waited = [], [], [], Event()

    def tell(done, count):
        told.append((done, count))
        waited.set()

    with ThreadPoolExecutor() as pool:
        filling = pool.submit(fill, tmp_path / 'numbers', first, pause=waited)
        while not first:
            sleep(0.01)
        found = fill(tmp_path / 'numbers', second, tell)

    assert (first, second) == ([0, 1, 2], [])
    assert told[0] == (0, 3)
    assert np.array_equal(found, [1, 2, 3]) and np.array_equal(filling.result(), found)


def test_a_folder_that_is_filled_is_only_read(tmp_path):
    fill(tmp_path, [])
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    again = []

    fill(tmp_path, again)

    assert again == []
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
