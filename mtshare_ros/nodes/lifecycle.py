"""A lifecycle node that reports failed transitions and undoes what they had built."""

import traceback
from typing import Any, Callable

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from mtshare_ros.errors import MtshareError


class GuardedLifecycleNode(LifecycleNode):
    """
    A lifecycle node built from four plain methods.

    Subclasses define ``set_up``, ``start``, ``stop`` and ``tear_down``; calling ``stop`` or
    ``tear_down`` twice must do no harm. rclpy discards the exceptions of transitions silently, and
    on some releases a wrong transition request ends the process; this class prevents both.
    """

    def __init__(self, node_name: str, **options: Any) -> None:
        super().__init__(node_name, **options)
        self.state_name = 'unconfigured'
        self.transition_error = ''
        self._guard_change_state()

    def set_up(self) -> None:
        """Build what is needed before the first frame."""

    def start(self) -> None:
        """Begin to receive and to publish."""

    def stop(self) -> None:
        """Undo ``start``."""

    def tear_down(self) -> None:
        """Undo ``set_up``."""

    def autostart(self) -> None:
        """Configure and activate; where configuring fails, stay unconfigured and say why."""
        if self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Run ``set_up``; on failure tear down and stay unconfigured."""
        done = self._attempt('configure', 'inactive', self.set_up, self.tear_down)
        return super().on_configure(state) if done else TransitionCallbackReturn.FAILURE

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Run ``start``; on failure stop and stay inactive."""
        done = self._attempt('activate', 'active', self.start, self.stop)
        # rclpy's part lets the lifecycle publishers send: only where the start has succeeded.
        return super().on_activate(state) if done else TransitionCallbackReturn.FAILURE

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Run ``stop``."""
        done = self._attempt('deactivate', 'inactive', self.stop, self.stop)
        return super().on_deactivate(state) if done else TransitionCallbackReturn.FAILURE

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Run ``tear_down``."""
        done = self._attempt('clean up', 'unconfigured', self.tear_down, self.tear_down)
        return super().on_cleanup(state) if done else TransitionCallbackReturn.FAILURE

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and tear down from any state."""
        done = self._attempt('shut down', 'finalized', self._wind_down, self._wind_down)
        return super().on_shutdown(state) if done else TransitionCallbackReturn.FAILURE

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Wind down after an error, so that configuring can be tried again."""
        done = self._attempt('recover', 'unconfigured', self._wind_down, self._wind_down)
        return super().on_error(state) if done else TransitionCallbackReturn.FAILURE

    def give_up(self, reason: str) -> None:
        """Deactivate where computing cannot succeed; keep the reason until the next start."""
        self.get_logger().error(f'deactivating: {reason}')
        self.trigger_deactivate()
        # Only now: a transition that succeeds clears it.
        self.transition_error = reason

    def destroy_node(self) -> None:
        """Wind down first: a thread that still computes when the process exits makes it abort."""
        self._undo(self._wind_down)
        super().destroy_node()

    def _wind_down(self) -> None:
        self.stop()
        self.tear_down()

    def _attempt(
        self, verb: str, target: str, action: Callable[[], None], undo: Callable[[], None],
    ) -> bool:
        """Run one transition; on failure log it, undo what was built and return False."""
        try:
            action()
        except Exception as error:  # noqa: B902
            self._report(verb, error)
            self._undo(undo)
            return False
        self.transition_error = ''
        self.state_name = target
        return True

    def _report(self, verb: str, error: Exception) -> None:
        """Log one line for an error that the user can correct, and the traceback of any other."""
        if not self.context.ok():
            return  # a signal ended ROS during the transition; nothing is wrong
        known = isinstance(error, MtshareError)
        detail = str(error) if known else traceback.format_exc()
        self.transition_error = str(error) or repr(error)
        self.get_logger().error(f'cannot {verb}: {detail}')

    def _undo(self, undo: Callable[[], None]) -> None:
        try:
            undo()
        except Exception:  # noqa: B902
            if self.context.ok():
                self.get_logger().error(f'while cleaning up:\n{traceback.format_exc()}')

    def _guard_change_state(self) -> None:
        """Answer a wrong transition request with success=False on every release."""
        service = getattr(self, '_service_change_state', None)
        if service is None:
            return
        change_state = service.callback

        def guarded(request: Any, response: Any) -> Any:
            try:
                return change_state(request, response)
            except Exception as error:  # noqa: B902
                self.get_logger().warning(f'refused a transition from {self.state_name}: {error}')
                response.success = False
                return response

        service.callback = guarded
