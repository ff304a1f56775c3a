"""Training with the gates in the forward pass sees what the engine would compute."""

from branched import branched_network
import pytest
import torch

from mtshare_ros.data.rooms.video import RoomVideo
from mtshare_ros.model.architecture import HeadConfig
from mtshare_ros.model.description import default_thresholds
from mtshare_ros.sharing.camera_cache import ActivationCache
from mtshare_ros.sharing.plan import PlanBounds
from mtshare_ros.sharing.sharing_network import SharingNetwork
from mtshare_ros.sharing.sharing_settings import SharingSettings
from mtshare_ros.sharing.taps import Tap
from mtshare_ros.tasks import DEFAULT_TASKS
from mtshare_ros.training.gated_pass import GatedPass, InputGate
from mtshare_ros.training.stage_config import GateConfig

pytest.importorskip('numba', reason="rendering needs numba: pip install 'mtshare_ros[rooms]'")

FACTORS = {'temporal_threshold': 1.2, 'task_threshold': 2.0}
FRAMES = (0, 4)


@pytest.fixture(scope='module')
def network():
    return branched_network()


@pytest.fixture(scope='module')
def clip():
    return clip_of(5, 'static')


def clip_of(seed, motion):
    video = RoomVideo(seed=seed, motion=motion, height=96, width=128)
    return torch.stack([torch.from_numpy(video.frame(number).image).permute(2, 0, 1)
                        for number in FRAMES])


@pytest.mark.parametrize('prefix', [0, 2, 4])
@pytest.mark.parametrize('task', DEFAULT_TASKS)
def test_the_tokens_of_a_clips_last_frame_are_the_engines(clip, task, prefix):
    network = branched_network(prefix=prefix)

    frame = run_gated(network, clip, task)

    transformer = network.encoder_of(task)
    tokens = network.final_norm(transformer)(frame.steps[-1].output)[0]
    assert 0 < frame.passed_share() < 1
    expected = run_engine(network, clip, transformer)
    torch.testing.assert_close(tokens, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('prefix', [0, 2, 4])
@pytest.mark.parametrize('task', ['semseg', 'depth'])
def test_class_and_register_tokens_are_the_engines(clip, task, prefix):
    network = branched_network(prefix=prefix, class_token=True, register_tokens=2)

    frame = run_gated(network, clip, task)

    transformer = network.encoder_of(task)
    tokens = network.final_norm(transformer)(frame.steps[-1].output)[0]
    expected = run_engine(network, clip, transformer, tokens=True)
    assert 0 < frame.passed_share() < 1
    torch.testing.assert_close(tokens, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('task', DEFAULT_TASKS)
def test_what_heads_read_of_tapped_blocks_is_the_engines(clip, task):
    heads = {'semseg': HeadConfig(taps=(1, 3), channels=8, depth=1),
             'depth': HeadConfig(taps=(1, 2, 4), normed=False, channels=8, depth=1)}
    network = branched_network(stem='patch', class_token=True, register_tokens=2, heads=heads)

    raw = run_gated(network, clip, task).raw

    camera = camera_after(network, clip)
    torch.testing.assert_close(raw, camera.heads[task].raw, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize('task', DEFAULT_TASKS[1:])
def test_norms_and_biases_of_a_sub_task_count_as_in_the_engine(clip, task):
    network = branched_network(density=0)
    with torch.no_grad():
        for value in network.branches.parameters():
            if value.ndim == 1:
                value.add_(0.2 * torch.randn(value.shape))

    frame = run_gated(network, clip, task)

    tokens = network.final_norm(task)(frame.steps[-1].output)[0]
    torch.testing.assert_close(tokens, run_engine(network, clip, task), rtol=1e-4, atol=1e-4)


def test_some_tokens_are_reused_and_some_are_not(network, clip):
    shares = [run_gated(network, clip, task).reused_share() for task in DEFAULT_TASKS[1:]]

    assert all(0 < share < 1 for share in shares)


@pytest.mark.parametrize('task', ['semseg', 'depth'])
def test_clips_of_a_batch_do_not_see_one_another(network, clip, task):
    other = clip_of(6, 'drive')
    clips, turns = torch.stack([clip, other]), [1, 17]

    both = run_gated(network, clips, task, turns)

    for number, (alone, turn) in enumerate(zip(clips, turns)):
        expected = run_gated(network, alone, task, [turn])
        torch.testing.assert_close(both.raw[number], expected.raw[0])
        for step, own in zip(both.steps, expected.steps):
            assert torch.equal(step.tokens.active[number], own.tokens.active[0])
            assert own.reused is None or torch.equal(step.reused[number], own.reused[0])


def test_gates_change_the_values_but_not_the_path_of_the_gradient(network, clip):
    for block in network.own_blocks('depth'):
        block.zero_grad()

    run_gated(network, clip, 'depth', grad=True).raw.square().mean().backward()

    gradients = [block.mlp.fc1.weight.grad for block in network.own_blocks('depth')]
    assert all(gradient.isfinite().all() and gradient.any() for gradient in gradients)


def run_gated(network, clip, task, turns=(1,), grad=False):
    clips = clip if clip.ndim == 5 else clip[None]
    gate = InputGate(network, torch.device('cpu'), FACTORS['temporal_threshold'])
    clips = gate(clips, list(turns))
    with torch.set_grad_enabled(grad):
        return GatedPass(network, task, GateConfig(**FACTORS))(clips)


def run_engine(network, clip, transformer, tokens=False):
    """Return a encoder's final patches, with ``tokens`` the prefix after them."""
    taps, last = camera_after(network, clip).transformer.taps, Tap(network.config.depth)
    encoder = (network.base_task, *network.branches).index(transformer)
    patches = taps.patches(last, encoder).clone()
    return torch.cat((patches, taps.prefix(last, encoder))) if tokens else patches


def camera_after(network, clip):
    """Return what the engine remembers of a clip."""
    thresholds = {name: default_thresholds(network.config) for name in DEFAULT_TASKS}
    with torch.inference_mode():
        engine = SharingNetwork(network, thresholds, torch.float32)
        cache = ActivationCache()
        for image in clip:
            engine.run(cache, image[None], DEFAULT_TASKS, SharingSettings(**FACTORS), PlanBounds())
    return cache.camera
