"""An engine, a run of it over a bag, and the same bag from segments that are computed alone."""

import pytest

from mtshare_ros.inference.engine import Engine
from mtshare_ros.recording.bag import Bag, choose_calibration_topic
from mtshare_ros.recording.bag_plan import BagPlan
from mtshare_ros.recording.bag_run import BagRun
from mtshare_ros.recording.recording import open_recording
from mtshare_ros.sharing.sharing_settings import SharingSettings

OUTPUTS = ('semantic/mask', 'semantic/label_info', 'depth/image', 'depth/camera_info')


@pytest.fixture(scope='module')
def engine(tiny_model):
    return Engine.load(str(tiny_model), device='cpu')


@pytest.fixture
def run_bag(engine, tmp_path):
    """Return a function that runs the engine over a bag and returns what ``read`` finds then."""
    from bag_files import IMAGE, read_bag  # which need the extra [bags]

    def run(source, *, topics=None, said=None, target='out', progress=lambda done: None,
            read=read_bag, **options):
        with Bag(source) as bag:
            calibration = choose_calibration_topic(bag.topics, None, IMAGE)
            values = {'storage': bag.storage, 'image_topic': IMAGE,
                      'calibration_topic': calibration.name if calibration else '',
                      'sharing': SharingSettings(crossover=1.0), **options}
            plan = BagPlan(source, tmp_path / target, **values).with_outputs(
                topics, engine)
            job = BagRun(bag, plan, engine, say=[].append if said is None else said.append)
            job.run(progress)
        return read(tmp_path / target)
    return run


@pytest.fixture
def plan(tmp_path):
    """Return a function that plans a run over a bag, with the new bag in a folder."""
    from bag_files import IMAGE, INFO  # which need the extra [bags]

    def make(source, folder='whole', storage='mcap', **options):
        values = {'image_topic': IMAGE, 'calibration_topic': INFO, 'outputs': OUTPUTS,
                  'segment': 3, **options}
        return BagPlan(source, tmp_path / folder / 'out', storage, **values)
    return make


@pytest.fixture
def require_equal(engine, plan):
    """Return a function that compares the segments of a recording with a run over all of it."""
    from lone_segments import compute_segments, files_of

    def compare(source, *, order=reversed, **options):
        whole, parts = plan(source, **options), plan(source, 'parts', **options)
        whole.target.parent.mkdir()
        with open_recording(source) as recording:
            BagRun(recording, whole, engine).run()
        segments, outputs = compute_segments(parts, engine, order)
        assert files_of(parts.target) == files_of(whole.target)
        return segments, outputs
    return compare
