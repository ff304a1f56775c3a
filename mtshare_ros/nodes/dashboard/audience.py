"""What the side of ROS says to the pages, from the executor's thread."""

from typing import Any, Callable

from mtshare_ros.nodes.dashboard.hub import Hub


class Audience:
    """The hub, for the executor's thread; ``post`` brings a function into the hub's."""

    def __init__(self, hub: Hub, post: Callable[[Callable[[], None]], None]) -> None:
        self._hub = hub
        self._post = post

    def tell(self, kind: str, values: dict[str, Any]) -> None:
        """Tell all pages, in place of what was told of this kind before."""
        self._post(lambda: self._hub.tell(kind, values))

    def tell_parameters(self, parameters: list[dict[str, Any]]) -> None:
        """Tell all pages of all parameters."""
        self.tell('parameters', {'parameters': parameters})

    def tell_legend(self, channel: int, classes: list[dict[str, Any]]) -> None:
        """Tell the pages which classes are in the picture of a channel."""
        values = {'channel': channel, 'classes': classes}
        self._post(lambda: self._hub.tell('legend', values, key=f' {channel}'))

    def show(self, channel: int, jpeg: bytes) -> None:
        """Offer a picture to the pages that watch its channel."""
        self._post(lambda: self._hub.show(channel, jpeg))
