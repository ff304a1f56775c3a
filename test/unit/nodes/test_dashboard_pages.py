"""What pages are told, and that a slow one gets fewer pictures, not older ones."""

import asyncio
import json

import pytest

pytest.importorskip('rclpy', reason='the dashboard is a node')

from mtshare_ros.inference.map_outputs import METRIC_OUTPUTS  # noqa: E402
from mtshare_ros.nodes.dashboard.channels import list_channels, VIEWS  # noqa: E402
from mtshare_ros.nodes.dashboard.hub import Hub, MOST_PAGES, OpenPage, Picture  # noqa: E402  # noqa: E402


class Backend:
    """Stands for the side of ROS; notes what is watched and answers when told to."""

    def __init__(self):
        self.watched = frozenset()
        self.replies = []

    def watch(self, channels):
        self.watched = channels

    def set_parameter(self, name, value, reply):
        self.replies.append((name, value, reply))

    def reset(self, camera, reply):
        self.replies.append(('reset', camera, reply))


@pytest.fixture
def backend():
    return Backend()


@pytest.fixture
def hub(backend):
    made = Hub(list_channels('/', ['left', 'right']), lambda function: function())
    made.connect(backend)
    return made


def sent(page):
    """Return what waits for a page and take it away, as a fast connection would."""
    async def collect():
        messages = []

        async def send(message):
            messages.append(message)
        task = asyncio.ensure_future(page.send_all(send))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        return messages
    return asyncio.run(collect())


def kinds(messages):
    return [json.loads(message)['kind'] for message in messages if isinstance(message, str)]


def watch(hub, page, *channels):
    hub.receive(page, json.dumps({'kind': 'watch', 'channels': channels}))


def seen(hub, page, channel):
    hub.receive(page, json.dumps({'kind': 'seen', 'channel': channel}))


def test_the_views_are_topics_of_the_perception_node():
    topics = {output.topic for output in METRIC_OUTPUTS}

    assert {view.topic for view in VIEWS if not view.camera} <= topics


@pytest.mark.parametrize('namespace, camera, topic', [
    ('', '', '/depth/color'), ('/', '', '/depth/color'), ('/robot', '', '/robot/depth/color'),
    ('/robot', 'left', '/robot/left/depth/color'),
])
def test_a_channel_has_the_full_name_of_its_topic(namespace, camera, topic):
    assert list_channels(namespace, [camera])[2].topic == topic


def test_a_page_that_opens_later_is_told_the_newest_of_everything(hub):
    hub.tell('status', {'count': 1})
    hub.tell('status', {'count': 2})

    messages = sent(hub.open())

    assert kinds(messages) == ['hello', 'status'] and json.loads(messages[1])['count'] == 2


def test_of_messages_that_wait_only_the_newest_of_a_kind_is_sent(hub):
    page = hub.open()
    sent(page)
    for count in range(1000):
        hub.tell('status', {'count': count})

    messages = sent(page)

    assert [json.loads(message)['count'] for message in messages] == [999]


def test_a_page_that_has_not_shown_a_picture_gets_no_other_one(hub):
    page = hub.open()
    watch(hub, page, 2)
    sent(page)
    for number in range(100):
        hub.show(2, b'%d' % number)

    assert sent(page) == [b'\x020']


def test_the_next_picture_after_a_pause_is_the_newest(hub):
    page = hub.open()
    watch(hub, page, 2)
    sent(page)
    for number in range(100):
        hub.show(2, b'%d' % number)
    sent(page)

    seen(hub, page, 2)

    assert sent(page) == [b'\x0299']
    seen(hub, page, 2)
    assert not sent(page), 'the same picture twice'


def test_a_slow_page_does_not_hold_up_a_fast_one(hub):
    slow, fast = hub.open(), hub.open()
    for page in (slow, fast):
        watch(hub, page, 0)
        sent(page)
    for number in range(3):
        hub.show(0, b'%d' % number)
        assert sent(fast) == [b'\x00%d' % number]
        seen(hub, fast, 0)

    assert sent(slow) == [b'\x000']


def test_a_page_gets_only_what_it_watches(hub):
    page = hub.open()
    watch(hub, page, 1)
    sent(page)

    hub.show(0, b'other')

    assert not sent(page)


def test_what_is_watched_is_what_all_pages_together_watch(hub, backend):
    first, second = hub.open(), hub.open()

    watch(hub, first, 0, 1)
    watch(hub, second, 1, 7)
    assert backend.watched == {0, 1, 7}
    hub.close(first)
    assert backend.watched == {1, 7}
    hub.close(second)
    assert not backend.watched


def test_a_picture_from_before_nobody_looked_does_not_greet_the_next_page(hub):
    page = hub.open()
    watch(hub, page, 0)
    hub.show(0, b'old')
    hub.close(page)
    late = hub.open()
    watch(hub, late, 0)

    seen(hub, late, 0)

    assert all(isinstance(message, str) for message in sent(late))


def test_an_answer_goes_to_the_page_that_asked(hub, backend):
    asking, other = hub.open(), hub.open()
    hub.receive(asking, '{"kind":"set","name":"max_rate","value":5}')
    for page in (asking, other):
        sent(page)
    name, value, reply = backend.replies[0]

    reply('too fast')

    assert (name, value) == ('max_rate', 5)
    assert json.loads(sent(asking)[0]) == {
        'kind': 'answer', 'name': 'max_rate', 'problem': 'too fast'}
    assert not sent(other)


def test_there_is_an_end_to_the_pages(hub):
    for _ in range(MOST_PAGES):
        assert not hub.is_full
        hub.open()

    assert hub.is_full


def test_a_picture_of_a_channel_that_is_watched_again_is_sent_though_one_was_under_way():
    page = OpenPage()
    page.watch(frozenset({3}))
    page.offer(Picture(3, 1, b'a'))
    sent(page)

    page.watch(frozenset())
    page.watch(frozenset({3}))
    page.offer(Picture(3, 2, b'b'))

    assert sent(page) == [b'\x03b']
