"""The dashboard shows each camera as the node takes it: compressed, under any name."""

import asyncio
import io
import json

import numpy as np
import pytest
from ros_messages import profile, stamped
from sensor_msgs.msg import CompressedImage
from waiting import PATIENCE_S

websocket = pytest.importorskip(
    'tornado.websocket', reason='the dashboard needs the extra [dashboard]')
PillowImage = pytest.importorskip('PIL.Image', reason='the dashboard needs the extra [dashboard]')

from mtshare_ros.nodes.dashboard.channels import list_channels  # noqa: E402
from mtshare_ros.nodes.dashboard.picture_feed import ClassNames, PictureFeed  # noqa: E402

TOPICS = {'front': '/lens/jpeg', 'rear': '/rear/image_raw/compressed'}
CODECS = {'front': 'jpeg', 'rear': 'png'}
CAMERAS = f'[{",".join(TOPICS)}]'
CHANNELS = [channel.number for channel in list_channels('/', TOPICS) if channel.view.camera]


def compressed_image(codec):
    pixels = np.zeros((96, 128, 3), np.uint8)
    buffer = io.BytesIO()
    PillowImage.fromarray(pixels).save(buffer, codec)
    message = CompressedImage(format=codec)
    message.data = buffer.getvalue()
    return message


async def watch(url, observer):
    """Open a page that shows the cameras; return the topics it is told once all have pictures."""
    page = await websocket.websocket_connect(f'ws://{url}socket')
    await page.write_message(json.dumps({'kind': 'watch', 'channels': CHANNELS}))
    seen, told = set(), {}
    while seen != set(CHANNELS):
        message = await page.read_message()
        if isinstance(message, bytes):
            seen.add(message[0])
        elif (status := json.loads(message))['kind'] == 'status':
            told = {name: camera['entries']['image_topic']
                    for name, camera in status['cameras'].items()}
        observer.spin_for(0.01)
    return told


@pytest.mark.parametrize(('topic', 'transport', 'expected'), [
    ('/lens/jpeg', 'compressed', '/lens/jpeg'), ('/lens/image', 'raw', '/lens/image'),
    ('', '', '/image'), ('no topic', 'raw', '/image'), ('/lens/../image', 'raw', '/image'),
    ('/lens' * 60, 'raw', '/image'), ('/lens/image', 'theora', '/image'),
])
def test_what_the_diagnostics_say_is_followed_only_where_it_can_be(
    stage, topic, transport, expected
):
    node = stage.observer.node
    camera, = (channel for channel in list_channels('/', ['']) if channel.view.camera)
    feed = PictureFeed(node, ClassNames('nyu40', None), 10.0, None)
    feed.watch(frozenset([camera]))

    feed.follow('', topic, transport)

    stage.observer.spin_until(lambda: node.count_subscribers(expected), expected)


def test_every_camera_shows_as_jpeg_or_png_on_the_topic_that_the_node_was_given(
    stage, tiny_model
):
    dashboard = stage.nodes.start('dashboard_node', '-p', 'port:=0', '-p', f'cameras:={CAMERAS}')
    observer = stage.observer
    stage.perception = stage.nodes.perception(
        tiny_model, '-r', f'front/image/compressed:={TOPICS["front"]}',
        '-r', 'rear/image:=/rear/image_raw', cameras=CAMERAS, image_transport='compressed')
    observer.wait_for_state('active')
    publishers = {camera: observer.node.create_publisher(CompressedImage, topic, profile(True))
                  for camera, topic in TOPICS.items()}

    def send():
        for camera, publisher in publishers.items():
            publisher.publish(stamped(compressed_image(CODECS[camera]), observer.now()))

    observer.node.create_timer(0.1, send)
    dashboard.wait_for_output('the dashboard is at')
    url = dashboard.output.split('the dashboard is at http://')[1].split()[0]

    assert asyncio.run(asyncio.wait_for(watch(url, observer), PATIENCE_S)) == TOPICS
