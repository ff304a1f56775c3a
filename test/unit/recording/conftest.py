"""An engine, and a run of it over a bag."""

import pytest

from mtshare_ros.inference.engine import Engine
from mtshare_ros.recording.bag import Bag, choose_calibration_topic
from mtshare_ros.recording.bag_plan import BagPlan
from mtshare_ros.recording.bag_run import BagRun
from mtshare_ros.sharing.sharing_settings import SharingSettings


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
