"""Edges lie where depth, the surface's direction or the class changes, and nowhere else."""

import numpy as np
import torch

from mtshare_ros.inference.surface import edge_logits

SIZE = (24, 32)


def pad(values, border):
    return torch.nn.functional.pad(values[None, None].float(), (border,) * 4, mode='replicate')[0]


def edges_of(inverse, radius=1, normals=None, labels=None, floor=0.0):
    """Return probabilities (H, W) from inverse depths (H, W), with the edge going on outside."""
    inverse = torch.nn.functional.pad(
        torch.as_tensor(inverse, dtype=torch.float32)[None], (2 * radius,) * 4)
    logits = edge_logits(inverse, radius, floor=torch.tensor(floor), normals=normals,
                         labels=None if labels is None else pad(torch.as_tensor(labels), 1))
    return logits[0].sigmoid().numpy()


def slanted():
    """Return the inverse depth of a floor."""
    return torch.linspace(0.05, 1.5, SIZE[0])[:, None].expand(SIZE).clone()


def test_a_plane_has_no_edge_however_slanted():
    for radius in (1, 2, 3):
        assert edges_of(slanted(), radius).max() < 0.01


def test_a_step_of_depth_is_an_edge_on_both_of_its_sides_only():
    inverse = torch.full(SIZE, 0.5)
    inverse[:, 16:] = 1.0
    found = edges_of(inverse)
    assert (found[:, 15:17] > 0.8).all()
    assert found[:, :15].max() < 0.01 and found[:, 17:].max() < 0.01


def test_a_larger_step_is_likelier_an_edge():
    found = []
    for depth in (1.02, 1.1, 1.2, 1.5, 3.0):
        inverse = torch.full(SIZE, 1.0)
        inverse[:12] = 1 / depth
        found.append(edges_of(inverse)[12, 16])
    assert found == sorted(found) and found[0] < 0.05 < 0.4 < found[2] and found[-1] > 0.9


def test_the_unit_of_the_depth_does_not_matter():
    inverse = torch.rand(SIZE, generator=torch.Generator().manual_seed(0)) + 0.5
    assert np.allclose(edges_of(inverse), edges_of(inverse * 1000), atol=1e-4)


def test_what_is_not_known_is_no_edge():
    inverse = torch.full(SIZE, 1.0)
    inverse[8:12, 8:12] = 0.0
    assert edges_of(inverse).max() < 0.01


def test_below_the_floor_ripples_are_no_edges():
    inverse = torch.full(SIZE, 0.001)
    inverse[::3] = 0.002
    assert edges_of(inverse).max() > 0.5
    assert edges_of(inverse, floor=0.1).max() < 0.01


def test_a_crease_is_an_edge():
    normals = torch.zeros(1, 3, SIZE[0] + 2, SIZE[1] + 2)
    normals[:, 2, :, :16] = normals[:, 0, :, 16:] = -1
    found = edges_of(torch.full(SIZE, 1.0), normals=normals)
    assert (found[:, 14:17] > 0.5).sum() == 2 * SIZE[0]
    normals[:, :, 5] = torch.nan
    assert np.isfinite(edges_of(torch.full(SIZE, 1.0), normals=normals)).all()


def test_a_change_of_the_class_is_an_edge():
    labels = np.zeros(SIZE, np.uint8)
    labels[10:, :20] = 7
    found = edges_of(torch.full(SIZE, 1.0), labels=labels)
    assert (found[9:11, :19] > 0.85).all() and (found > 0.5).sum() == 2 * 20 + 2 * 14 - 1
