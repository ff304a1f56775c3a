"""Maps without weights follow their depth where no shape depends on data."""

from dataclasses import replace

import numpy as np
import pytest
from tiny import TINY
import torch

from mtshare_ros.data.rooms.video import RoomVideo
from mtshare_ros.image_frame import Pinhole
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.geometry_decoder import GeometryDecoder
from mtshare_ros.inference.prediction import InferenceSettings
from mtshare_ros.model.architecture import HeadConfig
from mtshare_ros.model.checkpoint import Checkpoint
from mtshare_ros.model.network import build_model
from mtshare_ros.sharing.sharing_settings import SharingSettings

SIZE = (192, 256)
GEOMETRY = HeadConfig(kind='geometry')
DEPTHS = {
    'local': HeadConfig(channels=8, depth=1),
    'linear': HeadConfig(kind='linear', encoding='metres', depth_range=(0.1, 10.0)),
    'relative': HeadConfig(kind='linear', encoding='disparity'),
    'dpt': HeadConfig(kind='dpt', taps=(1, 2, 3, 4), channels=8, pyramid=(4, 6, 8, 10)),
}
CAMERAS = Pinhole(200.0, 201.0, 127.5, 95.5), Pinhole(180.0, 181.0, 120.0, 90.0)


def engine_of(description, depth):
    """Return a tiny model whose other maps are worked out, on lists of fixed lengths."""
    derived = ('edge',) if depth == 'relative' else ('normals', 'edge')
    heads = {'depth': DEPTHS[depth], **dict.fromkeys(derived, GEOMETRY)}
    shape, tasks = replace(TINY, depth=4, input_size=SIZE, heads=heads), (
        'semseg', 'depth', *derived)
    torch.manual_seed(0)
    network = build_model(shape, tasks, 40).eval()
    with torch.no_grad():
        for parameter in network.heads.parameters():
            parameter.mul_(2)
    return Engine(Checkpoint(network, replace(
        description, architecture=shape, tasks=tasks, thresholds={})), device='cpu',
        fixed_shapes=True)


def frames():
    """Yield a picture in which another square changes from frame to frame."""
    still = RoomVideo(seed=9000, motion='static', height=SIZE[0], width=SIZE[1]).frame(0).image
    for number in range(5):
        frame, place = still.copy(), 32 * number
        frame[place:place + 20, place:place + 20] = 255 - frame[place:place + 20, place:place + 20]
        yield frame


def worked_out(engine, session, task, mask, camera):
    """Return the raw output of a task for the raw depth as it is, all of it worked out."""
    shape, depth = engine.description.architecture, engine.raw(session, 'depth')[0, 0]
    side, encoding = shape.side_of(shape.head_of('depth')), shape.head_of('depth').encoding
    decoder = GeometryDecoder(task, encoding or 'log_metres', side, 16, labelled=True)
    state = decoder.allocate(shape.grid_of(SIZE), torch.device('cpu'))
    decoder.compute(state, depth, torch.from_numpy(mask) if task == 'edge' else None,
                     decoder.own_camera(camera), None)
    return state.raw


@pytest.mark.parametrize('depth', DEPTHS)
def test_updates_give_the_bits_of_the_whole_map(tiny_description, depth):
    engine = engine_of(tiny_description, depth)
    session, settings = engine.new_session(), InferenceSettings(
        engine.tasks, SharingSettings(policy='none', temporal_threshold=0.02))
    shares = []
    for number, frame in enumerate(frames()):
        camera = CAMERAS[number // 4]
        found = engine.infer(frame, session, settings, camera)
        shares.append(found.stats.input_fraction)
        for task in engine.tasks[2:]:
            expected = worked_out(engine, session, task, found.mask, camera)
            if depth == 'relative':
                # where only some cells are worked out, the floor is that of an earlier frame
                assert (engine.raw(session, task) - expected).abs().median() == 0
            else:
                assert torch.equal(engine.raw(session, task).nan_to_num(9), expected.nan_to_num(9))
    assert max(shares[1:4]) < 0.3 and np.isfinite(found.edges).all()
