"""What the parts of a model take in its file."""

from branching import branched, build, save, stored
import pytest
import torch

from mtshare_ros.errors import ModelError
from mtshare_ros.model.checkpoint import storage_of
from mtshare_ros.model.deltas import delta_density, delta_share_of_encoder


def test_every_byte_of_the_weights_is_in_one_part(tmp_path):
    path = save(tmp_path / 'model.safetensors', branched(density=0.1))
    storage = storage_of(path)
    everything = sum(value.nbytes for value in stored(path)[1].values())
    assert storage.base_bytes + sum(storage.delta_bytes.values()) + sum(
        storage.head_bytes.values()) == everything
    assert list(storage.delta_bytes) == ['depth', 'normals', 'edge']
    assert list(storage.head_bytes) == ['semseg', 'depth', 'normals', 'edge']


def test_the_base_is_the_stem_and_the_encoder(tmp_path):
    network = build()
    storage = storage_of(save(tmp_path / 'model.safetensors', network))
    assert storage.base_bytes == sum(
        value.numel() * (2 if value.ndim > 1 else 4) for name, value in
        network.state_dict().items()
        if not name.startswith('heads') and value.is_floating_point())


def test_tasks_that_share_everything_add_nothing(tmp_path):
    storage = storage_of(save(tmp_path / 'model.safetensors', build()))
    assert storage.delta_bytes == {'depth': 0, 'normals': 0, 'edge': 0}
    assert storage.ratio == 1


def test_a_tenth_of_the_weights_of_three_tasks_stays_below_half_a_base(tmp_path):
    network = branched(0, density=0.1, granularity='element')
    assert 1.3 < storage_of(save(tmp_path / 'model.safetensors', network)).ratio < 1.5


def test_a_file_of_somebody_else_is_refused(tmp_path):
    path = tmp_path / 'other.safetensors'
    path.write_bytes(b'x' * 40)
    with pytest.raises(ModelError, match='other.safetensors'):
        storage_of(path)


def test_the_share_of_the_encoder_counts_the_shared_blocks_too():
    network = branched(2, density=1.0)
    linear = sum(value.numel() for name, value in network.branches['depth'].named_parameters()
                 if value.ndim > 1)
    encoder = sum(value.numel() for name, value in network.named_parameters()
                  if name.startswith(('blocks.', 'norm.')))
    assert delta_share_of_encoder(network, 'depth') == pytest.approx(linear / encoder, abs=1e-3)
    assert [entry.elements for entry in delta_density(network, 'depth')] == [1, 1]


def test_the_share_of_the_encoder_counts_biases_and_norms():
    network = branched(2)
    with torch.no_grad():
        network.branches['edge'].norm.bias[0] += 1
    encoder = sum(value.numel() for name, value in network.named_parameters()
                  if name.startswith(('blocks.', 'norm.')))
    assert delta_share_of_encoder(network, 'edge') == 1 / encoder


@pytest.mark.parametrize('network, task', [(branched(2, density=0.5), 'semseg'),
                                           (build(), 'depth')])
def test_who_has_no_branch_has_no_share(network, task):
    assert delta_share_of_encoder(network, task) == 0
