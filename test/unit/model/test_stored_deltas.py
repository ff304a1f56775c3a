"""Sub-tasks on disk: only what differs from the base task."""

from branching import as_saved, branched, build, describe, save, stored
from hypothesis import given, settings, strategies
import numpy as np
import pytest
from safetensors.torch import save_file
import torch

from mtshare_ros.errors import ModelError
from mtshare_ros.model.checkpoint import load_checkpoint, save_described_anew
from mtshare_ros.model.deltas import compress, expand

LAYER = 'branches.depth.blocks.0.attn.qkv.weight'
BASE = 'blocks.2.attn.qkv.weight'


def bits(value):
    return value.contiguous().view(torch.int16 if value.dtype == torch.float16 else torch.int32)


def same_bits(first, second):
    return first.keys() == second.keys() and all(
        value.dtype == second[name].dtype and torch.equal(bits(value), bits(second[name]))
        for name, value in first.items())


def stored_form(value, base):
    """Return the tensors, by suffix, that ``compress`` makes of a weight beside its base."""
    tensors = compress({'base': base, 'own': value}, {'own': 'base'})
    assert tensors.pop('base') is base
    return {name.removeprefix('own'): part for name, part in tensors.items()}


def read_back(parts, base):
    tensors = {f'own{suffix}': part for suffix, part in parts.items()}
    return expand(tensors, {'own': base}, 'memory')['own']


def changed_at(mask):
    base = torch.zeros(mask.shape, dtype=torch.float16)
    return base.masked_fill(mask, 0.5), base


def random_mask(share, shape=(64, 32), seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < share


@pytest.mark.parametrize('deltas', [
    {'density': 0.1}, {'density': 0.02, 'granularity': 'element'},
    {'density': 0.2, 'granularity': 'element'}, {'density': 1.0}, {'density': 0.0}])
def test_a_network_comes_back_to_the_bit_of_float16(tmp_path, deltas):
    network = branched(**deltas)
    loaded = load_checkpoint(save(tmp_path / 'model.safetensors', network)).network
    assert same_bits(as_saved(network), as_saved(loaded))


def test_weights_that_are_no_deltas_are_exactly_the_base_tasks(tmp_path):
    network = branched(density=0.1)
    loaded = load_checkpoint(save(tmp_path / 'model.safetensors', network)).network
    own, base = loaded.get_parameter(LAYER), loaded.get_parameter(BASE)
    kept = network.get_parameter(LAYER) == network.get_parameter(BASE)
    assert 0.85 < kept.float().mean() < 0.95
    assert torch.equal(own[kept], base[kept])


def test_deltas_of_biases_and_norms_come_back_in_float32(tmp_path):
    network = branched()
    with torch.no_grad():
        network.get_parameter('branches.edge.norm.bias')[3] = 1 / 3
        network.get_parameter('branches.edge.blocks.1.mlp.fc1.bias')[7] = 1e-6
    path = save(tmp_path / 'model.safetensors', network)
    assert {name for name in stored(path)[1] if name.startswith('branches')} == {
        f'branches.edge.{name}{suffix}' for name in ('norm.bias', 'blocks.1.mlp.fc1.bias')
        for suffix in ('.elements', '.values')}
    assert same_bits(as_saved(network), as_saved(load_checkpoint(path).network))


@pytest.mark.parametrize('granularity', ['row', 'element'])
def test_saving_what_was_loaded_changes_nothing(tmp_path, granularity):
    network = branched(density=0.1, granularity=granularity)
    first = save(tmp_path / 'first.safetensors', network)
    again = save(tmp_path / 'again.safetensors', load_checkpoint(first).network)
    (header, before), (other_header, after) = stored(first), stored(again)
    assert header == other_header
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_ten_percent_of_the_rows_cost_ten_percent_of_a_branch(tmp_path):
    plain = save(tmp_path / 'plain.safetensors', build()).stat().st_size
    dense = save(tmp_path / 'dense.safetensors', branched(0, density=1.0)).stat().st_size
    sparse = save(tmp_path / 'sparse.safetensors', branched(0, density=0.1)).stat().st_size
    assert sparse - plain < 0.2 * (dense - plain)  # the names of the tensors count, too


def test_equal_branches_are_not_stored(tmp_path):
    path = save(tmp_path / 'model.safetensors', branched(2))
    header, tensors = stored(path)
    assert header['format'] == 'mtshare_ros 2'
    assert not any(name.startswith('branches') for name in tensors)
    assert load_checkpoint(path).network.config.shared_depth == 2


def test_a_network_without_branches_has_the_first_format(tmp_path):
    header, _ = stored(save(tmp_path / 'model.safetensors', build()))
    assert header['format'] == 'mtshare_ros 1'


def test_a_file_of_the_first_format_with_dense_branches_loads_as_before(tmp_path):
    network = branched(density=0.3)
    header, _ = stored(save(tmp_path / 'new.safetensors', network))
    old = tmp_path / 'old.safetensors'
    save_file(as_saved(network), old, metadata=header | {'format': 'mtshare_ros 1'})
    assert same_bits(as_saved(load_checkpoint(old).network), as_saved(network))


def test_a_file_of_the_first_format_must_have_every_weight(tmp_path):
    header, tensors = stored(save(tmp_path / 'new.safetensors', branched(density=0.1)))
    path = tmp_path / 'old.safetensors'
    save_file(tensors, path, metadata=header | {'format': 'mtshare_ros 1'})
    with pytest.raises(ModelError, match='old.safetensors: the weights do not fit.*missing'):
        load_checkpoint(path)


def test_a_format_of_the_future_asks_for_an_update(tmp_path):
    header, tensors = stored(save(tmp_path / 'model.safetensors', branched()))
    path = tmp_path / 'future.safetensors'
    save_file(tensors, path, metadata=header | {'format': 'mtshare_ros 3'})
    with pytest.raises(ModelError, match="future.*'mtshare_ros 3'.*newer version.*update"):
        load_checkpoint(path)


def test_a_new_description_keeps_the_sparse_weights_and_their_format(tmp_path):
    network = branched(density=0.1)
    source = save(tmp_path / 'model.safetensors', network)
    target = tmp_path / 'described.safetensors'
    save_described_anew(source, target, describe(network, trained_on='something'))
    before, after = stored(source)[1], stored(target)[1]
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert same_bits(as_saved(load_checkpoint(target).network), as_saved(network))


@pytest.mark.parametrize('mask, form', [
    (random_mask(0.1, (64, 1)).expand(64, 32), {'.rows', '.values'}),
    (random_mask(0.03), {'.elements', '.values'}),
    (random_mask(0.3), {'.bitmap', '.values'}),
    (random_mask(0.99), {''}),
    (random_mask(0.05, (200,)), {'.elements', '.values'}),
    (torch.zeros(64, 32, dtype=torch.bool), set()),
])
def test_the_smallest_form_wins(mask, form):
    value, base = changed_at(mask)
    parts = stored_form(value, base)
    assert set(parts) == form
    assert torch.equal(read_back(parts, base).half(), value)


@pytest.mark.parametrize('distance, kind', [
    (255, torch.uint8), (256, torch.int16), (32767, torch.int16), (32768, torch.int32)])
def test_steps_are_as_narrow_as_the_widest_gap_allows(distance, kind):
    mask = torch.zeros(70_000, dtype=torch.bool)
    mask[[0, distance]] = True
    value, base = changed_at(mask)
    parts = stored_form(value, base)
    assert parts['.elements'].dtype == kind
    assert torch.equal(read_back(parts, base).half(), value)


def test_zeros_of_both_signs_and_not_a_number_keep_their_bits():
    base = torch.tensor([[0.0, 0.0, 1.0], [2.0, float('nan'), 3.0]])
    value = torch.tensor([[-0.0, 0.0, 1.0], [2.0, float('nan'), 3.0]])
    assert torch.equal(bits(read_back(stored_form(value, base), base)), bits(value))
    assert stored_form(base.clone(), base) == {}


@given(mask=strategies.lists(strategies.booleans(), min_size=12, max_size=300))
def test_any_pattern_of_deltas_comes_back(mask):
    rows = torch.tensor(mask[:len(mask) // 6 * 6]).view(-1, 6)
    value, base = changed_at(rows)
    assert torch.equal(read_back(stored_form(value, base), base).half(), value)


def damage(tmp_path, change, **deltas):
    """Save a branched network and let ``change`` work on the tensors in its file."""
    header, tensors = stored(save(tmp_path / 'good.safetensors', branched(**deltas)))
    change(tensors)
    path = tmp_path / 'bad.safetensors'
    save_file({name: value.contiguous() for name, value in tensors.items()}, path,
              metadata=header)
    return path


def put(suffix, value):
    return lambda tensors: tensors.update({LAYER + suffix: value(tensors[LAYER + suffix])})


@pytest.mark.parametrize('change, text', [
    (put('.rows', lambda rows: rows.to(torch.int64)),
     r'qkv.weight.rows is torch.int64 .*allowed is a list of torch.uint8'),
    (put('.rows', lambda rows: rows[None]), r'qkv.weight.rows is torch.uint8 of the shape \(1, '),
    (put('.rows', lambda rows: rows.float()), 'qkv.weight.rows is torch.float32'),
    (put('.rows', lambda rows: torch.full_like(rows, 90)), 'qkv.weight.rows has steps of 90'),
    (put('.rows', lambda rows: rows.index_fill(0, torch.tensor([1]), 0)),
     'qkv.weight.rows has steps of 0 .*no position occurs twice'),
    (put('.rows', lambda rows: rows[:-1]), r'qkv.weight.values has the shape .*needs'),
    (put('.values', lambda values: values[:, :-1]), 'qkv.weight.values has the shape'),
    (put('.values', lambda values: values.flatten()), 'qkv.weight.values has the shape'),
    (put('.values', lambda values: values.int()), 'qkv.weight.values is I32; allowed'),
    (lambda tensors: tensors.pop(f'{LAYER}.rows'), 'is stored as .*qkv.weight.values; allowed'),
    (lambda tensors: tensors.pop(f'{LAYER}.values'), 'is stored as .*qkv.weight.rows; allowed'),
    (lambda tensors: tensors.update({LAYER: tensors[BASE].clone()}), 'qkv.weight is stored as'),
    (lambda tensors: tensors.update({f'{LAYER}.bitmap': torch.zeros(384, dtype=torch.uint8)}),
     'qkv.weight is stored as'),
    (lambda tensors: tensors.update({f'{LAYER}.runs': torch.zeros(3)}),
     'unexpected: branches.depth.blocks.0.attn.qkv.weight.runs'),
    (lambda tensors: tensors.update({'branches.depth.blocks.7.norm1.bias.rows': torch.zeros(3)}),
     'unexpected: branches.depth.blocks.7.norm1.bias.rows'),
    (lambda tensors: tensors.update({'norm.weight.rows': torch.zeros(3)}),
     'unexpected: norm.weight.rows'),
    (lambda tensors: tensors.pop(BASE), f'missing: {BASE} .and 0 more'),
    (lambda tensors: tensors.update({BASE: torch.zeros(3, 3)}), f'{BASE} has the shape'),
])
def test_damaged_rows_are_refused_with_tensor_and_file(tmp_path, change, text):
    path = damage(tmp_path, change, density=0.1)
    with pytest.raises(ModelError, match=f'bad.safetensors: .*{text}'):
        load_checkpoint(path)


@pytest.mark.parametrize('change', [
    lambda bitmap: bitmap[:-1], lambda bitmap: torch.cat((bitmap, bitmap[:1])),
    lambda bitmap: bitmap.to(torch.int32), lambda bitmap: bitmap ^ 128])
def test_damaged_bitmaps_are_refused_with_tensor_and_file(tmp_path, change):
    path = damage(tmp_path, put('.bitmap', change), density=0.3, granularity='element')
    with pytest.raises(ModelError, match=r'bad.safetensors: .*qkv.weight.(bitmap|values)'):
        load_checkpoint(path)


def test_bits_behind_the_last_weight_are_refused():
    base = torch.zeros(12)
    parts = {'.bitmap': torch.tensor([0, 1], dtype=torch.uint8), '.values': torch.ones(1)}
    with pytest.raises(ModelError, match='memory: own.bitmap has 2 bytes.*after the first 12'):
        read_back(parts, base)


INDEX_DTYPES = ('uint8', 'int8', 'int16', 'int32', 'int64', 'float32', 'bool')


@strategies.composite
def index_tensors(draw):
    kind = draw(strategies.sampled_from(INDEX_DTYPES))
    numbers = draw(strategies.lists(strategies.integers(-3, 70) | strategies.just(2**31 - 1),
                                    max_size=12))
    return torch.from_numpy(np.array(numbers, np.int64).astype(kind))


@settings(max_examples=300)
@given(index=index_tensors(), count=strategies.integers(0, 12))
def test_any_index_is_either_good_or_refused_by_name(index, count):
    base, values = torch.zeros(60), torch.ones(count)
    steps = index.tolist()
    good = (index.dtype in (torch.uint8, torch.int16, torch.int32) and len(steps) == count
            and min(steps, default=1) >= 1 and sum(steps) <= 60)
    parts = {'.elements': index, '.values': values}
    if good:
        assert read_back(parts, base).nonzero().flatten().tolist() == [
            sum(steps[:place + 1]) - 1 for place in range(count)]
    else:
        with pytest.raises(ModelError, match=r'memory: own\.(elements|values)'):
            read_back(parts, base)
