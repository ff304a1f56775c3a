"""Whatever a model file holds: it is loaded, or refused with a ModelError, and nothing else."""

from contextlib import contextmanager
import json
import os
from pathlib import Path
import pickle

from branching import branched, save
from hypothesis import given, HealthCheck, settings, strategies
import pytest
from safetensors.torch import load_file, save_file
import torch

from mtshare_ros.errors import ModelError, MtshareError
from mtshare_ros.model.checkpoint import load_checkpoint, storage_of
from mtshare_ros.model.file_description import read_description
from mtshare_ros.model.manifest import find_model
from mtshare_ros.model.weight_files import LARGEST_FILE, LARGEST_HEADER, MOST_TENSORS

SOME_MEMORY = 100_000_000
MANY_TIMES = settings(
    max_examples=60, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])

JSON = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.floats()
    | strategies.text(max_size=8),
    lambda inner: strategies.lists(inner, max_size=4)
    | strategies.dictionaries(strategies.text(max_size=4), inner, max_size=4), max_leaves=12)


class File(bytes):
    """The bytes of a file, which a failing test need not show."""

    def __repr__(self):
        return f'<{len(self)} bytes>'


@pytest.fixture(scope='module')
def whole(tiny_model):
    """Return the bytes of an intact file."""
    return File(tiny_model.read_bytes())


@pytest.fixture(scope='module')
def branched_file(tmp_path_factory, tiny_description):
    """Return the bytes of a file with sparse delta weights."""
    path = tmp_path_factory.mktemp('fuzz') / 'branched.safetensors'
    return File(save(path, branched(density=0.1)).read_bytes())


@pytest.fixture
def try_bytes(tmp_path):
    """Return a function that loads bytes as a model in every way there is."""
    path = tmp_path / 'fuzzed.safetensors'

    def load(data):
        path.write_bytes(data)
        for read in (load_checkpoint, read_description, storage_of):
            try:
                read(path)
            except ModelError as error:
                assert 'fuzzed.safetensors' in str(error)
                assert len(str(error)) < 3000
    return load


def find(path):
    return find_model(str(path))


def split(data):
    """Return the header of a file as values, and the bytes behind it."""
    length = int.from_bytes(data[:8], 'little')
    return json.loads(data[8:8 + length]), data[8 + length:]


def joined(header, body, length=None):
    text = json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, 'little') + text + body


@MANY_TIMES
@given(strategies.binary(max_size=200))
def test_bytes_of_any_kind(try_bytes, data):
    try_bytes(data)


@pytest.mark.fault(2)
@MANY_TIMES
@given(strategies.data())
def test_flipped_bits(try_bytes, whole, data):
    header = int.from_bytes(whole[:8], 'little') + 8
    place = strategies.integers(0, header) | strategies.integers(0, len(whole) - 1)
    changed = bytearray(whole)
    for position in data.draw(strategies.lists(place, min_size=1, max_size=6)):
        changed[position] ^= 1 << data.draw(strategies.integers(0, 7))
    try_bytes(bytes(changed))


@pytest.mark.fault(2)
@MANY_TIMES
@given(strategies.integers(0, 10**9))
def test_a_cut_anywhere(try_bytes, whole, place):
    try_bytes(whole[:place % len(whole)])


@MANY_TIMES
@given(strategies.integers(0, 2**64 - 1) | strategies.integers(0, 60_000))
def test_a_header_that_lies_about_its_length(try_bytes, whole, length):
    try_bytes(length.to_bytes(8, 'little') + whole[8:])


@MANY_TIMES
@given(strategies.data())
def test_a_tensor_that_lies_about_itself(try_bytes, whole, data):
    header, body = split(whole)
    name = data.draw(strategies.sampled_from(sorted(set(header) - {'__metadata__'})))
    number = strategies.integers(-2**63, 2**64) | strategies.integers(0, len(body))
    key = data.draw(strategies.sampled_from(['dtype', 'shape', 'data_offsets', 'all']))
    header[name] = data.draw(JSON) if key == 'all' else {**header[name], key: data.draw(
        strategies.sampled_from(['F64', 'I64', 'BOOL', 'F8_E4M3', 'F4', 'x']) if key == 'dtype'
        else strategies.lists(number, max_size=5))}
    try_bytes(joined(header, body))


@MANY_TIMES
@given(strategies.data())
def test_a_description_of_any_values(try_bytes, whole, data):
    header, body = split(whole)
    described = header['__metadata__']
    for key in data.draw(strategies.lists(
            strategies.sampled_from(sorted(described)), min_size=1, max_size=3)):
        described[key] = data.draw(strategies.text(max_size=20) | JSON.map(json.dumps))
    try_bytes(joined(header, body))


@MANY_TIMES
@given(strategies.data())
def test_an_architecture_of_any_numbers(try_bytes, whole, data):
    header, body = split(whole)
    described = header['__metadata__']
    values = json.loads(described['architecture'])
    number = strategies.integers(-2**70, 2**70) | strategies.integers(-1, 5000)
    key = data.draw(strategies.sampled_from(sorted(values)))
    values[key] = data.draw(
        number | strategies.floats() | strategies.lists(number, max_size=4) | JSON)
    described['architecture'] = json.dumps(values)
    try_bytes(joined(header, body))


@settings(MANY_TIMES, max_examples=25)
@given(strategies.data())
def test_sparse_weights_with_positions_of_any_values(try_bytes, branched_file, data):
    _, body = split(branched_file)
    start = len(branched_file) - len(body)
    changed = bytearray(branched_file)
    for position in data.draw(strategies.lists(
            strategies.integers(start, len(branched_file) - 1), min_size=1, max_size=40)):
        changed[position] = data.draw(strategies.sampled_from([0, 1, 127, 128, 255]))
    try_bytes(bytes(changed))


def memory(field):
    """Return VmRSS, what this process has in memory, or VmHWM, the most it had, in bytes."""
    lines = Path('/proc/self/status').read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


@contextmanager
def taking_less_than(limit):
    """Fail where what stands inside has more bytes in memory at any moment than before."""
    try:
        Path('/proc/self/clear_refs').write_text('5')  # the most begins anew
    except OSError as error:
        pytest.skip(f'the most memory taken cannot be measured here: {error}')
    before = memory('VmRSS')
    yield
    assert memory('VmHWM') - before < limit


def test_memory_that_is_taken_for_a_moment_is_noticed():
    with pytest.raises(AssertionError), taking_less_than(SOME_MEMORY):
        torch.ones(2 * SOME_MEMORY, dtype=torch.uint8)


@pytest.mark.parametrize('values', [
    {'embed_dim': 4 * 10**9}, {'depth': 10**12}, {'head_depth': 10**9}, {'mlp_ratio': 1e300},
    {'num_heads': 0}, {'stem_channels': [10**9] * 3}, {'input_size': [16 * 10**9] * 2},
    {'embed_dim': 4096, 'depth': 64, 'num_heads': 64},
])
def test_a_network_of_any_size_takes_no_memory_before_its_weights_are_there(
        whole, tmp_path, values):
    header, body = split(whole)
    described = header['__metadata__']
    described['architecture'] = json.dumps({**json.loads(described['architecture']), **values})
    path = tmp_path / 'huge.safetensors'
    path.write_bytes(joined(header, body))
    with taking_less_than(SOME_MEMORY), pytest.raises(ModelError, match='huge.safetensors'):
        load_checkpoint(path)


def test_a_shape_beyond_the_file_is_refused_before_memory_is_asked_for(whole, tmp_path):
    header, body = split(whole)
    header['norm.weight']['shape'] = [2**40]
    path = tmp_path / 'shape.safetensors'
    path.write_bytes(joined(header, body))
    with taking_less_than(SOME_MEMORY), pytest.raises(ModelError, match='not a readable'):
        load_checkpoint(path)


def test_a_header_beyond_the_limit_is_not_parsed(whole, tmp_path):
    header, body = split(whole)
    header['__metadata__']['trained_on'] = '"' + 'x' * LARGEST_HEADER + '"'
    path = tmp_path / 'header.safetensors'
    path.write_bytes(joined(header, body))
    with pytest.raises(ModelError, match=f'at most {LARGEST_HEADER} can be'):
        load_checkpoint(path)


def test_too_many_tensors_are_refused(tmp_path):
    path = tmp_path / 'many.safetensors'
    save_file({str(number): torch.zeros(1) for number in range(MOST_TENSORS + 1)}, path)
    with pytest.raises(ModelError, match=f'has {MOST_TENSORS + 1} tensors.*allowed are'):
        load_checkpoint(path)


def test_a_file_beyond_the_limit_is_neither_read_nor_hashed(tmp_path):
    path = tmp_path / 'large.safetensors'
    with path.open('wb') as file:
        file.truncate(LARGEST_FILE + 1)  # a hole: it takes no room on the disk
    for refuse in (load_checkpoint, find):
        with pytest.raises(ModelError, match=f'allowed are 9 to {LARGEST_FILE}'):
            refuse(path)


@pytest.mark.skipif(os.getuid() == 0, reason='root may read every file')
def test_a_file_that_may_not_be_read_is_named(whole, tmp_path):
    path = tmp_path / 'private.safetensors'
    path.write_bytes(whole)
    path.chmod(0)
    with pytest.raises(ModelError, match='private.safetensors: the file cannot be read'):
        load_checkpoint(path)


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_weights_that_are_not_finite_are_refused_by_name(tiny_model, whole, tmp_path, value):
    tensors = load_file(tiny_model)
    tensors['norm.bias'][0] = value
    path = tmp_path / 'nan.safetensors'
    save_file(tensors, path, metadata=split(whole)[0]['__metadata__'])
    with pytest.raises(ModelError, match='norm.bias holds NaN or infinity'):
        load_checkpoint(path)


@pytest.mark.fault(3)
@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize('name', ['evil.safetensors', 'evil.pt'])
def test_a_pickle_under_any_name_is_never_executed(tmp_path, protocol, name):
    planted = tmp_path / 'planted'

    class Malicious:
        def __reduce__(self):
            return os.mkdir, (str(planted),)

    path = tmp_path / name
    path.write_bytes(pickle.dumps(Malicious(), protocol))
    for read in (load_checkpoint, read_description, storage_of, find):
        with pytest.raises(MtshareError):
            read(path)
    assert not planted.exists()
    pickle.loads(path.read_bytes())  # noqa: S301
    assert planted.exists(), 'this pickle would not have planted anything'
