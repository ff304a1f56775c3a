"""A manifest whose writer is killed at any step loses no flushed row, and doubles none."""

from dataclasses import dataclass, field
from pathlib import Path
import tempfile

from hypothesis import example, given, settings, strategies as st

from mtshare_ros.fleet.output import manifest as manifest_module
from mtshare_ros.fleet.output.manifest import Manifest, write_part
from mtshare_ros.fleet.output.manifest_rows import ManifestRow
from mtshare_ros.fleet.output.places import open_place


class Killed(BaseException):
    """What stands for the end of the process."""


@dataclass
class MortalPlace:
    """A folder whose process is killed before or after one of the steps that change it."""

    folder: str
    steps_left: int
    steps: list[str] = field(default_factory=list)

    def _step(self, name, *values):
        self.steps.append(name)
        if self.steps_left == 0:
            raise Killed
        self.steps_left -= 1
        getattr(open_place(self.folder), name)(*values)
        if self.steps_left == 0:
            raise Killed
        self.steps_left -= 1

    def write_bytes(self, name, data):
        self._step('write_bytes', name, data)

    def remove(self, name):
        self._step('remove', name)

    def __getattr__(self, name):
        return getattr(open_place(self.folder), name)


KEYS = st.tuples(st.sampled_from(['a', 's3://b/ä']), st.integers(-1, 0))
ACTIONS = st.one_of(
    st.tuples(st.just('add'), KEYS), st.tuples(st.just('remove'), KEYS),
    st.tuples(st.just('part'), st.lists(KEYS, min_size=1, max_size=3)),
    st.just(('flush', None)), st.just(('compact', None)), st.just(('load', None)))


@dataclass
class Account:
    """What must be found: the kept values of keys, and those that a kill may keep or lose."""

    kept: dict = field(default_factory=dict)
    pending: dict = field(default_factory=dict)

    def keep(self):
        self.kept.update(self.pending)
        self.pending.clear()


def perform(place, actions, account):
    """Do what a command does with a manifest, and note what it may rely on."""
    manifest = Manifest.load(place)
    for number, (action, what) in enumerate(actions, 1):
        if action == 'add':
            account.pending[what] = number
            manifest.add(ManifestRow(source=what[0], segment=what[1], frames=number))
        elif action == 'remove':
            account.pending[what] = None
            manifest.remove(what[0], [what[1]])
        elif action == 'part':
            # a worker writes only what the manifest has no newer row of
            manifest.flush()
            account.keep()
            account.pending.update(dict.fromkeys(what, number))
            write_part(place, f'worker {number}', [
                ManifestRow(source=source, segment=segment, frames=number)
                for source, segment in dict.fromkeys(what)])
            account.keep()
            manifest = Manifest.load(place)
        elif action == 'load':
            manifest = Manifest.load(place)
            account.pending.clear()
        else:
            getattr(manifest, action)()
            account.keep()


def found(folder):
    rows = list(Manifest.load(open_place(folder)).rows())
    assert len({row.key for row in rows}) == len(rows)
    return {row.key: row.frames for row in rows}


@settings(deadline=None, max_examples=60)
@example([('part', [('a', 0)]), ('add', ('a', 0)), ('flush', None)], 40, 12, 1)
@given(st.lists(ACTIONS, max_size=14), st.integers(0, 40), st.integers(0, 12), st.integers(1, 3))
def test_a_kill_at_any_step_loses_and_doubles_nothing(actions, first_kill, second_kill, most):
    account = Account()
    with tempfile.TemporaryDirectory() as folder:
        folder = str(Path(folder, 'out'))
        before, manifest_module._MOST_PARTS = manifest_module._MOST_PARTS, most
        try:
            perform(MortalPlace(folder, first_kill), actions, account)
        except Killed:
            pass
        finally:
            manifest_module._MOST_PARTS = before
        # a second command may be killed while it merges what the first one left
        rows = found(folder)
        try:
            Manifest.load(MortalPlace(folder, second_kill)).compact()
        except Killed:
            pass

        assert found(folder) == rows
        for key in account.kept.keys() | account.pending.keys() | rows.keys():
            allowed = {account.kept.get(key)} | (
                {account.pending[key]} if key in account.pending else set())
            assert rows.get(key) in allowed
        Manifest.load(open_place(folder)).compact()
        assert found(folder) == rows
        assert set(open_place(folder).list()) <= {'manifest.parquet'}
