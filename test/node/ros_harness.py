"""A stage for node tests: nodes in processes, and an observer that talks to them over DDS."""

from contextlib import closing, contextmanager
import os
import time

from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.srv import GetParameters, SetParameters, SetParametersAtomically
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from ros_messages import profile, stamped
from ros_processes import free_domain, NodeRunner
from sensor_msgs.msg import Image
from waiting import PATIENCE_S

from mtshare_ros.nodes.node_environment import node_environment

ASK_AGAIN_S = 0.5
TRANSITIONS = {'configure': 1, 'cleanup': 2, 'activate': 3, 'deactivate': 4}


class Observer:
    """A node in the test's process: it publishes images, listens, and calls services."""

    def __init__(self, domain, name='observer'):
        self._context = Context()
        self._domain = domain
        self._name = name

    def __enter__(self):
        os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
        os.environ.update(node_environment(os.environ))
        rclpy.init(context=self._context, domain_id=self._domain)
        self.node = rclpy.create_node(self._name, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self.received = {}
        self._clients = {}
        return self

    def __exit__(self, *_):
        self._executor.remove_node(self.node)
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)

    def spin_until(self, condition, what):
        """Handle messages until the condition holds."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, f'waited in vain for {what}'
            self._executor.spin_once(timeout_sec=0.05)

    def spin_for(self, seconds):
        """Handle messages for a while."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=min(0.05, left))

    def listen(self, topic, message_type=Image, *, reliable=True, depth=1):
        """Collect the messages of a topic in ``received``; return the subscription."""
        inbox = self.received.setdefault(topic, [])
        return self.node.create_subscription(
            message_type, topic, inbox.append, profile(reliable, depth))

    def camera(self, topic='image', *, reliable=True):
        """Return a publisher of images that a subscriber has found."""
        publisher = self.node.create_publisher(Image, topic, profile(reliable))
        self.spin_until(publisher.get_subscription_count, f'a subscriber on {topic}')
        return publisher

    def wait_for_outputs(self, *topics):
        """Wait until the node sees this process as subscriber of the topics."""
        for topic in topics:
            self.spin_until(
                lambda topic=topic: self.node.count_publishers(topic), f'a publisher on {topic}')

    def send_until(self, publisher, message, condition, what, period_s=0.1):
        """Publish a message with a new stamp again and again until the condition holds."""
        def send():
            publisher.publish(stamped(message, self.now()))

        timer = self.node.create_timer(period_s, send)
        try:
            self.spin_until(condition, what)
        finally:
            self.node.destroy_timer(timer)

    def figures(self, camera=''):
        """Return a camera's newest diagnostic values by name, empty where none came yet."""
        self.watch_diagnostics()
        inbox = self.received['/diagnostics']
        statuses = inbox[-1].status if inbox else ()
        for status in statuses:
            values = {item.key: item.value for item in status.values}
            if values['camera'] == camera:
                return {**values, 'message': status.message, 'level': status.level}
        return {}

    def watch_diagnostics(self):
        """Listen to the diagnostics from now on."""
        if '/diagnostics' not in self.received:
            self.listen('/diagnostics', DiagnosticArray, depth=10)

    def newest_figure(self, name, default):
        return self.figures().get(name, default)

    def diagnose(self, name, accept, camera=''):
        """Wait for a diagnostic value that is equal to or accepted by ``accept``; return all."""
        def fits():
            value = self.figures(camera).get(name)
            return value is not None and (accept(value) if callable(accept) else value == accept)

        self.spin_until(fits, f'diagnostics with {name} = {accept}')
        return self.figures(camera)

    def now(self):
        return self.node.get_clock().now().to_msg()

    def call(self, service_type, name, request, *, ask_again=True):
        """
        Call a service and return its response.

        A service that has not found the client's end for replies yet drops its reply; a request
        that may be made twice is made again then.
        """
        client = self._client(service_type, name)
        futures = [client.call_async(request)]
        timer = self.node.create_timer(
            ASK_AGAIN_S, lambda: ask_again and futures.append(client.call_async(request)))
        try:
            self.spin_until(
                lambda: any(future.done() for future in futures), f'an answer from {name}')
        finally:
            self.node.destroy_timer(timer)
        return next(future.result() for future in futures if future.done())

    def _client(self, service_type, name):
        if name not in self._clients:
            self._clients[name] = self.node.create_client(service_type, name)
            self.spin_until(self._clients[name].service_is_ready, f'the service {name}')
            self.spin_for(0.2)
        self.spin_until(self._clients[name].service_is_ready, f'the service {name}')
        return self._clients[name]

    def state(self, node='perception_node'):
        return self.call(GetState, f'{node}/get_state', GetState.Request()).current_state.label

    def wait_for_state(self, label, node='perception_node'):
        self.spin_until(lambda: self.state(node) == label, f'the state {label}')

    def change_state(self, verb, node='perception_node'):
        """Ask for a lifecycle transition and return whether it succeeded."""
        request = ChangeState.Request()
        request.transition.id = TRANSITIONS[verb]
        name = f'{node}/change_state'
        return self.call(ChangeState, name, request, ask_again=False).success

    def set(self, node='perception_node', **values):
        """Set one parameter and return the result."""
        request = SetParameters.Request(parameters=as_parameters(values))
        return self.call(SetParameters, f'{node}/set_parameters', request).results[0]

    def set_together(self, node='perception_node', **values):
        """Set parameters in one atomic request and return the result."""
        request = SetParametersAtomically.Request(parameters=as_parameters(values))
        name = f'{node}/set_parameters_atomically'
        return self.call(SetParametersAtomically, name, request).result

    def get(self, name, node='perception_node'):
        """Return the value of a parameter."""
        request = GetParameters.Request(names=[name.replace('__', '.')])
        response = self.call(GetParameters, f'{node}/get_parameters', request)
        value = Parameter.from_parameter_msg(parameter_message(name, response.values[0])).value
        return value if isinstance(value, (bool, int, float, str)) else list(value)


class Stage:
    """A domain with an observer in it and a way to start nodes; ``perception`` is the first."""

    def __init__(self, domain, nodes, observer):
        self.domain = domain
        self.nodes = nodes
        self.observer = observer
        self.perception = None

    def start_perception(self, model, *, wait_for='active', **parameters):
        """Start a perception node and wait for its state."""
        self.perception = self.nodes.perception(model, **parameters)
        self.observer.wait_for_state(wait_for)
        return self.perception


@contextmanager
def open_stage(folder):
    with free_domain() as domain, closing(NodeRunner(domain, folder)) as nodes:
        # It leaves before the nodes are killed: Fast DDS can crash on what a killed neighbour
        # leaves in shared memory.
        with Observer(domain) as observer:
            yield Stage(domain, nodes, observer)


def parameter_message(name, value):
    return ParameterMessage(name=name, value=value)


def as_parameters(values):
    return [Parameter(name.replace('__', '.'), value=value).to_parameter_msg()
            for name, value in values.items()]
