"""The plain reference implementation is right, and the engine's encoder agrees with it."""

from branched import branched_network, GRID, TOKENS
from clips import SIZE, uniform_thresholds
import pytest
from reference_encoder import ReferenceEncoder
import torch

from mtshare_ros.model.backbone import StemFeatures
from mtshare_ros.model.heads import HeadInput
from mtshare_ros.sharing.camera_cache import ActivationCache
from mtshare_ros.sharing.gates import BlockThresholds
from mtshare_ros.sharing.plan import PlanBounds
from mtshare_ros.sharing.sharing_network import SharingNetwork
from mtshare_ros.sharing.sharing_settings import SharingSettings
from mtshare_ros.sharing.transformer import TransformerRunner, TransformerWeights
from mtshare_ros.tasks import DEFAULT_TASKS

EVERY = range(TOKENS)

pytestmark = pytest.mark.usefixtures('no_gradients')


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(3)


def draw_tokens(generator, count=TOKENS):
    return torch.randn(count, 32, generator=generator)


def draw_list(generator, largest):
    """Return up to ``largest`` sorted tokens."""
    count = int(torch.randint(largest + 1, (), generator=generator))
    return torch.randperm(TOKENS, generator=generator)[:count].sort().values.tolist()


def dense_tokens(network, embedded):
    """Return every task's final tokens (N, D) of the network itself."""
    maps = embedded.T.unflatten(1, GRID)[None]
    return {task: given.taps[0][0].flatten(1).T
            for task, given in network.encode(StemFeatures(maps), network.tasks).items()}


@pytest.mark.parametrize('prefix', [0, 2, 4])
@pytest.mark.parametrize('registers', [0, 3])
def test_the_reference_with_all_tokens_is_the_network(prefix, registers, generator):
    network = branched_network(prefix=prefix, register_tokens=registers)
    reference = ReferenceEncoder(network, GRID)
    patches = draw_tokens(generator)
    embedded = network.embed(patches.T.unflatten(1, GRID)[None])[0]
    reference.run(embedded, EVERY, {task: EVERY for task in network.tasks})
    for task, tokens in dense_tokens(network, patches).items():
        assert torch.allclose(reference.tokens[task][:TOKENS].float(), tokens, atol=1e-4)


class Runner:
    """The engine's fast encoder on given lists, as the reference takes them."""

    def __init__(self, network) -> None:
        self._runner = TransformerRunner(TransformerWeights(network, torch.float32), 'fast')
        self._state = self._runner.allocate(GRID)

    def tokens_of(self, task):
        given = self._runner.head_inputs(self._state, task, stem=None)
        return torch.cat((given.taps[0], given.prefix[0]))

    def run(self, embedded, shared, own):
        index = torch.tensor(list(shared), dtype=torch.int64)
        ungated = BlockThresholds(torch.full((1,), -1.0))
        rows = self._runner.active_tokens(self._state, [index if len(index) else None])
        self._runner.run_shared(self._state, rows, embedded[rows.index],
                                self._thresholds(shared, self._runner.shared, ungated))
        lists = [list(own.get(encoder, ())) for encoder in self._runner.encoders]
        patches = [torch.tensor(tokens, dtype=torch.int64) if tokens else None for tokens in lists]
        ungated = BlockThresholds(torch.full((len(patches),), -1.0))
        self._runner.run_own(self._state, self._runner.active_tokens(self._state, patches),
                             self._thresholds(lists[0], self._runner.own, ungated))

    @staticmethod
    def _thresholds(tokens, blocks, ungated):
        """Return None, which runs the dense code, for a first frame."""
        return None if len(tokens) == TOKENS else [ungated] * len(blocks)


@pytest.mark.parametrize('prefix', [0, 2])
@pytest.mark.parametrize('position', ['rope', 'rope_centred', 'absolute'])
@pytest.mark.parametrize('registers', [0, 1, 5])
def test_partial_token_lists_equal_the_reference_over_many_frames(
        prefix, position, registers, generator):
    network = branched_network(
        prefix=prefix, position=position, depth=3, register_tokens=registers)
    runner, reference = Runner(network), ReferenceEncoder(network, GRID)
    embedded = draw_tokens(generator, TOKENS + registers)
    shared, own = EVERY, {task: EVERY for task in network.tasks}
    for _ in range(20):
        runner.run(embedded, shared, own)
        reference.run(embedded, shared, own)
        for task in network.tasks:
            assert torch.allclose(runner.tokens_of(task), reference.tokens[task].float(),
                                  atol=1e-4)
        embedded = embedded + 0.5 * draw_tokens(generator, TOKENS + registers)
        shared = draw_list(generator, 12)
        own = {task: draw_list(generator, 8) for task in network.tasks}


def test_the_reference_leaves_unlisted_tokens_stale(network, generator):
    reference = ReferenceEncoder(network, GRID)
    embedded = draw_tokens(generator)
    reference.run(embedded, EVERY, {'depth': EVERY})
    before = reference.tokens['depth'].clone()
    reference.run(draw_tokens(generator), [5], {'depth': [5, 6]})
    changed = (reference.tokens['depth'] != before).any(dim=1).nonzero()[:, 0]
    assert changed.tolist() == [5, 6]  # 6 sees the new key of 5
    assert torch.equal(reference.tokens['edge'], torch.zeros_like(before))


class GivenRows:
    """The engine's network on given rows of given tasks, beside the reference implementation."""

    def __init__(self, network) -> None:
        self.network = network
        self.sharing = SharingNetwork(network, uniform_thresholds(
            network.config.depth, temporal=0.02, task=0.05), torch.float32)
        self.reference = ReferenceEncoder(network, GRID)
        self.cache = ActivationCache()
        self.settings = SharingSettings(temporal=False, task=False, policy='none')
        self.missed = {task: set() for task in DEFAULT_TASKS}
        self.image = torch.zeros(1, 3, *SIZE, dtype=torch.uint8)

    def run(self, image, rows, tasks) -> None:
        """Let the patches of some rows enter, and compute these and what the tasks missed."""
        rows = set(rows)
        for token in rows:
            patch = (slice(None), slice(None), *(slice(16 * at, 16 * at + 16)
                                                 for at in divmod(token, GRID[1])))
            self.image[patch] = image[patch]
        for missed in self.missed.values():
            missed |= rows
        embedded = self.network.embed(self._features().tokens)[0]
        self.reference.run(embedded, sorted(rows),
                           {task: sorted(self.missed[task]) for task in tasks})
        if self.cache.state is None:
            self.sharing.run(self.cache, image, tasks, self.settings, PlanBounds())
        else:
            self.sharing.run_patches(self.cache, image, tasks, self.settings,
                                  torch.tensor(sorted(rows), dtype=torch.int64))
        self.missed.update({task: set() for task in tasks})

    def errors(self, tasks):
        """Return each task's largest distance of the raw outputs."""
        features = self._features()
        for task in tasks:
            patches = self.reference.tokens[task][:TOKENS]
            tokens = patches.float().T.unflatten(1, GRID)[None]
            expected = self.network.heads[task](HeadInput((tokens,), (), features))
            yield (self.cache.state.heads[task].raw - expected).abs().max().item()

    def _features(self):
        return self.network.stem(self.network.normalize(self.image))


@pytest.mark.parametrize('class_token', [False, True])
def test_given_tokens_of_changing_tasks_equal_the_reference(class_token, generator):
    # a patch stem: with it a token depends on its own pixels only
    run = GivenRows(branched_network(stem='patch', class_token=class_token))
    rows, tasks = EVERY, DEFAULT_TASKS
    for _ in range(30):
        image = torch.randint(256, (1, 3, *SIZE), dtype=torch.uint8, generator=generator)
        run.run(image, rows, tasks)
        assert max(run.errors(tasks)) < 1e-4
        rows = draw_list(generator, 12)
        asked = torch.rand(len(DEFAULT_TASKS), generator=generator) < 0.6
        tasks = tuple(task for task, ask in zip(DEFAULT_TASKS, asked) if ask) or ('semseg',)
