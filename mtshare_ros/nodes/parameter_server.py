"""Declaring a table of parameters on a node, checking what is set, and reading it back."""

from typing import Any, Callable, Generic, Mapping, TypeVar

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    ParameterType,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from mtshare_ros.errors import ConfigError
from mtshare_ros.nodes.parameters import ParameterSpec, ParameterTable

Settings = TypeVar('Settings')

_TYPES = {
    'bool': ParameterType.PARAMETER_BOOL,
    'integer': ParameterType.PARAMETER_INTEGER,
    'double': ParameterType.PARAMETER_DOUBLE,
    'string': ParameterType.PARAMETER_STRING,
    'string_array': ParameterType.PARAMETER_STRING_ARRAY,
    'integer_array': ParameterType.PARAMETER_INTEGER_ARRAY,
    'double_array': ParameterType.PARAMETER_DOUBLE_ARRAY,
}


def describe(spec: ParameterSpec) -> ParameterDescriptor:
    """Return the descriptor that ``ros2 param describe`` shows."""
    descriptor = ParameterDescriptor(
        name=spec.name, type=_TYPES[spec.kind], read_only=spec.read_only, description=spec.text,
        additional_constraints=f'Allowed: {spec.allowed()}.',
    )
    if spec.limits is not None and spec.kind == 'double':
        # A step other than zero would refuse numbers such as 0.123.
        descriptor.floating_point_range = [FloatingPointRange(
            from_value=float(spec.limits[0]), to_value=float(spec.limits[1]), step=0.0,
        )]
    elif spec.limits is not None:
        descriptor.integer_range = [IntegerRange(
            from_value=int(spec.limits[0]), to_value=int(spec.limits[1]), step=1,
        )]
    return descriptor


class ParameterServer(Generic[Settings]):
    """
    The parameters of a node, always holding allowed values; for the executor's thread.

    ``build`` makes the settings of the values; both are kept until a parameter changes.

    A value from the command line or a file that is not allowed leaves the default standing and
    is remembered: ``require_valid`` then raises until an allowed value is set, so that nothing
    runs with another setting than the one asked for.
    """

    def __init__(
        self, node: Node, table: ParameterTable, build: Callable[[Mapping[str, Any]], Settings]
    ) -> None:
        self._node = node
        self._table = table
        self._build = build
        self._values: dict[str, Any] | None = None
        self._settings: Settings | None = None
        self._startup_problems: dict[str, str] = {}
        for spec in table:
            self._declare(spec)
        node.add_on_set_parameters_callback(self._check)

    @property
    def settings(self) -> Settings:
        """The settings that hold now; raises ConfigError where values do not fit each other."""
        if self._settings is None:
            self._settings = self._build(self.values())
        return self._settings

    def values(self) -> Mapping[str, Any]:
        """Return the value of every parameter of the table by name; arrays are tuples."""
        if self._values is None:
            self._values = {spec.name: self._read(spec.name) for spec in self._table}
        return self._values

    def require_valid(self) -> None:
        """Raise ConfigError where a value given at the start was refused, or two do not fit."""
        values = self.values()
        conflict = self._table.conflict(values, values)
        problems = [*self._startup_problems.values(), *filter(None, [conflict])]
        if problems:
            raise ConfigError('; '.join(problems))

    def _read(self, name: str) -> Any:
        value = self._node.get_parameter(name).value
        return value if isinstance(value, (bool, int, float, str)) else tuple(value)

    def _declare(self, spec: ParameterSpec) -> None:
        override = self._node._parameter_overrides.get(spec.name)
        problem = spec.problem(override.value) if override is not None else ''
        if problem:
            hint = 'start the node again' if spec.read_only else 'set it to an allowed value'
            self._startup_problems[spec.name] = (
                f'{problem}; it came from the command line or a parameter file: mend it and {hint}'
            )
        self._node.declare_parameter(
            spec.name, spec.default, describe(spec), ignore_override=bool(problem)
        )

    def _check(self, parameters: list[Parameter]) -> SetParametersResult:
        """Refuse what the table does not allow; an exception here would kill the node."""
        try:
            problem = self._problem({item.name: item.value for item in parameters})
        except Exception as error:  # noqa: B902
            problem = f'the value could not be checked: {error!r}'
        if not problem:
            for item in parameters:
                self._startup_problems.pop(item.name, None)
        # Read again after rclpy has set them, or has not, where another callback refuses.
        self._values = self._settings = None
        return SetParametersResult(successful=not problem, reason=problem)

    def _problem(self, changed: dict[str, Any]) -> str:
        problem = self._table.problem(changed)
        return problem or self._table.conflict({**self.values(), **changed}, changed)
