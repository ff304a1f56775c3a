"""Every loss is what its plain formula says, on the pixels that have a truth."""

import math

import pytest
import torch

from mtshare_ros.data.batches import Batch
from mtshare_ros.errors import ConfigError
from mtshare_ros.tasks import TASKS, UNLABELLED
from mtshare_ros.training.losses import check_losses, LOSSES, task_losses
from mtshare_ros.training.stage_config import LossConfig

METRES = ((1.0, 2.0, 0.0), (4.0, 0.5, 0.0))
LOG_METRES = torch.tensor(((0.1, 0.5, 9.0), (1.0, -1.0, 9.0)))
MARKED = ((1.0, 0.0, UNLABELLED), (0.0, 1.0, 1.0))
LOGITS = torch.tensor(((0.3, -0.7, 50.0), (1.2, 2.0, -0.1)))
BY_CLASS = ('cross_entropy', 'balanced_dice')


def mean_of(name, raw, truth):
    loss = LOSSES[name](raw, truth)
    return loss.total.item() / loss.count.item()


def depth_errors(error):
    """Return the errors of the valid pixels of (1, 1, 2, 3), by a function of metres."""
    return [error(math.exp(value), metres)
            for values, row in zip(LOG_METRES.tolist(), METRES)
            for value, metres in zip(values, row) if metres > 0]


def bce_by_hand(weight):
    """Return the weighted binary cross-entropy of the labelled pixels."""
    terms = []
    for logits, row in zip(LOGITS.tolist(), MARKED):
        for logit, truth in zip(logits, row):
            if truth != UNLABELLED:
                chance = 1 / (1 + math.exp(-logit))
                terms.append(-weight * math.log(chance) if truth
                             else -(1 - weight) * math.log(1 - chance))
    return sum(terms) / len(terms)


def test_cross_entropy_is_the_mean_over_labelled_pixels():
    logits = torch.tensor([[[2.0, 0.0, 5.0]], [[1.0, 3.0, 5.0]]])[None]
    labels = torch.tensor([[[0, 1, UNLABELLED]]])

    expected = [-math.log(math.exp(2) / (math.exp(2) + math.e)),
                -math.log(math.exp(3) / (1 + math.exp(3)))]

    assert mean_of('cross_entropy', logits, labels) == pytest.approx(sum(expected) / 2, rel=1e-5)


def test_log_l1_compares_logarithms_of_valid_depths():
    errors = depth_errors(lambda found, metres: abs(math.log(found) - math.log(metres)))

    assert len(errors) == 4
    assert mean_of('log_l1', LOG_METRES[None, None], torch.tensor(METRES)[None]) == pytest.approx(
        sum(errors) / 4, rel=1e-5)


def test_log_l1_shape_adds_what_does_not_hang_on_the_scale_and_a_little_of_the_metres():
    log_error = torch.tensor([[0.1, 0.3], [0.2, -0.2]])
    truth = torch.full((1, 2, 2), math.e)
    # about the median 0.1; of the neighbours right (0.2, 0.4) and down (0.1, 0.5), at one scale
    absolute, relative, steps = 0.8, 0.2 + 0.1 + 0.3, (0.3 + 0.3) / 4
    metres = sum(abs(math.exp(1 + error) - math.e) for error in log_error.flatten().tolist())

    loss = LOSSES['log_l1_shape'](1 + log_error[None, None], truth)

    assert loss.total.item() == pytest.approx(
        absolute + 0.5 * (relative + 4 * steps) + 0.15 * metres, rel=1e-5)
    assert loss.count == 4


def test_chord_is_the_distance_of_unit_vectors():
    found = torch.tensor([[3.0, 0.0], [4.0, 0.0], [0.0, 7.0]])
    truth = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]])

    assert mean_of('chord', found[None, :, None], truth[None, :, None]) == pytest.approx(
        math.sqrt(0.4), rel=1e-4)


def test_balanced_dice_makes_rare_classes_count_more_and_adds_half_of_dice():
    logits = torch.tensor([[0.0, 0.0, 0.0, 0.0, 9.0], [1.0, 0.0, 0.0, 0.0, 9.0]])
    labels = torch.tensor([1, 0, 0, 0, UNLABELLED])
    weights = [(3 / 4) ** -0.4, (1 / 4) ** -0.4]
    chance = 1 / (1 + math.exp(-1))
    entropy = (3 * weights[0] * math.log(2) - weights[1] * math.log(chance)) / (
        3 * weights[0] + weights[1])
    dice = (2 * 1.5 / (1.5 + 1 - chance + 3), 2 * chance / (1.5 + chance + 1))

    assert mean_of('balanced_dice', logits[None, :, None], labels[None, None]) == pytest.approx(
        entropy + 0.5 * (1 - sum(dice) / 2), rel=1e-5)


def test_l1_compares_metres():
    errors = depth_errors(lambda found, metres: abs(found - metres))

    assert mean_of('l1', LOG_METRES[None, None], torch.tensor(METRES)[None]) == pytest.approx(
        sum(errors) / 4, rel=1e-5)


def test_berhu_is_linear_up_to_a_fifth_of_the_largest_error_and_squared_beyond():
    errors = depth_errors(lambda found, metres: abs(found - metres))
    limit = max(errors) / 5
    expected = [error if error <= limit else (error ** 2 + limit ** 2) / (2 * limit)
                for error in errors]

    assert min(errors) <= limit < max(errors)
    assert mean_of('berhu', LOG_METRES[None, None], torch.tensor(METRES)[None]) == pytest.approx(
        sum(expected) / 4, rel=1e-5)


def test_cosine_is_one_minus_the_cosine_whatever_the_length_of_what_was_predicted():
    # (C, pixels): 60 degrees, equal but longer, opposite, and a pixel without truth
    found = torch.tensor([[0.0, 5.0, 0.0, 1.0], [0.0, 0.0, 0.0, 1.0], [2.0, 0.0, 0.3, 1.0]])
    truth = torch.tensor([[math.sqrt(0.75), 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0],
                          [0.5, 0.0, -1.0, 0.0]])

    assert mean_of('cosine', found[None, :, None], truth[None, :, None]) == pytest.approx(
        (0.5 + 0.0 + 2.0) / 3, rel=1e-5)


def test_normals_l1_sums_the_components_of_unit_vectors():
    found = torch.tensor([[3.0, 0.0], [4.0, 0.0], [0.0, 7.0]])
    truth = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]])

    assert mean_of('normals_l1', found[None, :, None], truth[None, :, None]) == pytest.approx(
        0.4 + 0.8, rel=1e-5)


@pytest.mark.parametrize('name, weight', [
    ('balanced_bce', 0.9), ('published_bce', 0.95), ('shared_bce', 2 / 5)])
def test_binary_cross_entropy_weighs_what_is_marked_against_the_rest(name, weight):
    assert mean_of(name, LOGITS[None, None], torch.tensor(MARKED)[None]) == pytest.approx(
        bce_by_hand(weight), rel=1e-5)


def make_case(name):
    """Return a raw output (4, C, 6, 8) and a truth in which some pixels have none."""
    random = torch.Generator().manual_seed(0)
    holes = torch.rand(4, 6, 8, generator=random) < 0.3
    if name in BY_CLASS:
        labels = torch.randint(0, 5, (4, 6, 8), generator=random)
        return torch.randn(4, 5, 6, 8, generator=random), labels.masked_fill(holes, UNLABELLED)
    if name in ('cosine', 'chord', 'normals_l1'):
        normals = torch.nn.functional.normalize(torch.randn(4, 3, 6, 8, generator=random))
        return torch.randn(4, 3, 6, 8, generator=random), normals * ~holes[:, None]
    raw = torch.randn(4, 1, 6, 8, generator=random)
    if name in ('log_l1', 'log_l1_shape', 'l1', 'berhu'):
        return raw, (0.5 + 5 * torch.rand(4, 6, 8, generator=random)) * ~holes
    marked = (torch.rand(4, 6, 8, generator=random) < 0.2).float()
    return raw, marked.masked_fill(holes, UNLABELLED)


def without_truth(name, truth):
    return torch.full_like(truth, UNLABELLED if name in BY_CLASS or 'bce' in name else 0)


@pytest.mark.parametrize('name', LOSSES)
def test_pixels_without_truth_neither_count_nor_learn(name):
    raw, truth = make_case(name)
    holes = (truth == without_truth(name, truth))
    holes = holes.all(dim=1) if truth.ndim == 4 else holes
    raw.requires_grad_(True)

    loss = LOSSES[name](raw, truth)
    loss.total.backward()

    assert loss.count == (~holes).sum()
    assert not raw.grad.movedim(1, -1)[holes].any()
    assert raw.grad.movedim(1, -1)[~holes].any()


@pytest.mark.parametrize('name', LOSSES)
def test_images_without_any_truth_give_zero(name):
    raw, truth = make_case(name)
    raw.requires_grad_(True)

    loss = LOSSES[name](raw, without_truth(name, truth))
    (loss.total / loss.count.clamp(min=1)).backward()

    assert loss.total == 0 and loss.count == 0
    assert not raw.grad.any()


# the others look at all images at hand, see there
@pytest.mark.parametrize('name', [
    name for name in LOSSES if name not in ('balanced_dice', 'berhu', 'shared_bce')])
def test_the_losses_of_halves_add_up_to_that_of_the_whole(name):
    raw, truth = make_case(name)
    whole = LOSSES[name](raw, truth)

    halves = [LOSSES[name](raw[part], truth[part]) for part in (slice(0, 1), slice(1, 4))]

    torch.testing.assert_close(halves[0].total + halves[1].total, whole.total)
    assert halves[0].count + halves[1].count == whole.count


def test_a_raw_output_is_enlarged_to_the_truth_and_weighed():
    raw = torch.tensor([[1.0, 3.0]]).view(1, 1, 1, 2)
    batch = Batch(torch.zeros(1, 3, 4, 8), {'depth': torch.full((1, 2, 4), math.exp(2.0))})

    loss = task_losses({'depth': raw}, batch.truth, {})['depth']

    # bilinear: 1, 1.5, 2.5, 3 in both rows; the task's own weight
    assert loss.total.item() == pytest.approx(TASKS['depth'].loss_weight * 2 * 3.0, rel=1e-5)
    assert loss.count == 8


def test_a_recipe_chooses_loss_and_weight():
    raw, truth = make_case('berhu')
    batch = Batch(torch.zeros(4, 3, 6, 8), {'depth': truth})

    loss = task_losses({'depth': raw}, batch.truth, {'depth': LossConfig('berhu', 7.0)})['depth']

    torch.testing.assert_close(loss.total, 7 * LOSSES['berhu'](raw, truth).total)


def test_every_task_has_a_loss_that_exists():
    assert {spec.loss for spec in TASKS.values()} <= set(LOSSES)


def test_an_unknown_loss_is_named_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"losses\.depth\.loss is 'l3'; allowed is any of .*l1"):
        check_losses({'depth': LossConfig('l3')})
