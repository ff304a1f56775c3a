"""The static gate can be captured and exported, in few launches and without the host."""

from dataclasses import replace

from camera_images import room_clip
from gate_hosts import CapturingHost, Frame, LINEAR, LOCAL, SCENARIOS, StaticHost, STEMS
from pretended_cuda import pretended_cuda
import pytest
import torch

from mtshare_ros.sharing.plan import PlanBounds
from mtshare_ros.sharing.static.fixed_lists import bucket_sizes, ListSizes
from mtshare_ros.sharing.static.operators import FUSED, PLAIN


@pytest.mark.parametrize('operators, budgeted, most, most_to_learn', [
    (PLAIN, False, 45, 42), (PLAIN, True, 84, 42), (FUSED, False, 11, 7), (FUSED, True, 59, 7)])
@pytest.mark.parametrize('stem', STEMS)
def test_gate_and_lists_are_few_launches_and_never_wait(
        stem, operators, budgeted, most, most_to_learn):
    stem = STEMS[stem]
    asked = Frame(bounds=PlanBounds(budget=30 if budgeted else None))
    with pretended_cuda() as device:
        host = StaticHost(stem, torch.device('cuda:0'), operators)
        images = [stem.cut(image).to('cuda:0') for image in room_clip('static', 1.0)[:4]]
        for image in images[:3]:
            host.see(image, asked)
        sizes = bucket_sizes(stem.grid, (LOCAL, LINEAR))[2]
        host.gate.prepare_lists(host.state, sizes)
        for learn in (False, True):
            device.clear()
            host.gate.observe(host.state, images[3], learn=learn, budgeted=budgeted)
            lists = host.gate.lists(host.state, sizes)
            assert device.launches <= most + (most_to_learn if learn else 0)
            assert not device.synchronisations
            device.clear()
            host.gate.settle(host.state, lists)
            assert device.launches <= 5 and not device.synchronisations


CAPTURED = ('a halo now and then', 'another period', 'another policy', 'another factor', 'budgets',
            'budgets now and then')


@pytest.mark.parametrize('operators', [PLAIN, FUSED], ids=['plain', 'fused'])
@pytest.mark.parametrize('scenario', CAPTURED)
def test_a_captured_gate_follows_what_the_user_changes(scenario, operators):
    stem, ask = STEMS['convolutions'], SCENARIOS[scenario]
    with pretended_cuda():
        device = torch.device('cuda:0')
        hosts = [kind(stem, device, operators) for kind in (StaticHost, CapturingHost)]

        for number, image in enumerate(room_clip('static', 1.0)):
            for host in hosts:
                host.see(image.to('cuda:0'), ask(number))
            first, second = (tensors_of(host.state) for host in hosts)
            assert all(torch.equal(first[name].cpu(), second[name].cpu()) for name in first)

        assert len(hosts[1].graphs) == (4 if scenario == 'budgets now and then' else 2)


class ExportedFrame(torch.nn.Module):
    """One frame, all tensors of the state being buffers of a module."""

    def __init__(self, host: StaticHost, sizes: ListSizes) -> None:
        super().__init__()
        self.host, self.sizes = host, sizes

    def forward(self, image, tensors):
        state = with_tensors(self.host.state, tensors)
        self.host.gate.observe(state, image, learn=True)
        lists = self.host.gate.lists(state, self.sizes)
        self.host.gate.settle(state, lists)
        return lists.transmitted, lists.patches, lists.forced, *lists.heads[LOCAL].layers


def tensors_of(state) -> dict[str, torch.Tensor]:
    found = {name: value for name, value in vars(state).items() if isinstance(value, torch.Tensor)}
    inner = {**vars(state.change), **vars(state.change.noise)}
    return {**found, **{name: value for name, value in inner.items()
                        if isinstance(value, torch.Tensor)}}


def with_tensors(state, tensors):
    def changed(item):
        return {name: tensors[name] for name in vars(item) if name in tensors}

    noise = replace(state.change.noise, **changed(state.change.noise))
    change = replace(state.change, noise=noise, **changed(state.change))
    return replace(state, change=change, **changed(state))


def test_gate_and_lists_can_be_exported():
    stem = STEMS['convolutions']
    host, images = StaticHost(stem), room_clip('static', 1.0)
    for image in images[:3]:
        host.see(image, Frame())
    sizes = bucket_sizes(stem.grid, (LOCAL, LINEAR))[4]
    host.gate.prepare_lists(host.state, sizes)
    frame = ExportedFrame(host, sizes)
    before = {name: value.clone() for name, value in tensors_of(host.state).items()}

    exported = torch.export.export(frame, (images[3], before), strict=False)

    first, second = ({name: value.clone() for name, value in before.items()} for _ in range(2))
    for image in images[3:6]:
        for found, expected in zip(exported.module()(image, first), frame(image, second)):
            assert torch.equal(found, expected)
    assert all(torch.equal(first[name], second[name]) for name in first)
