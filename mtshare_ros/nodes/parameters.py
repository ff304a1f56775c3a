"""
Tables of parameters: declaring them on a node, checking values, and reading them back.

Declaration, checks and documentation of a parameter all use its one row.
"""

from dataclasses import dataclass
import math
from typing import Any, Callable, Generic, Iterable, Iterator, Mapping, TypeVar

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

KINDS = {
    'bool': 'true or false',
    'integer': 'an integer, such as 30',
    'double': 'a number with a decimal point, such as 30.0',
    'string': 'a string',
    'string_array': 'a list of strings, such as [front, rear]',
    'integer_array': 'a list of integers, such as [240, 320]',
    'double_array': 'a list of numbers with decimal points, such as [0.5, 8.0]',
}
"""The kinds of parameters, and how to write one."""

_PYTHON_TYPES = {
    'bool': bool, 'integer': int, 'double': float, 'string': str,
    'string_array': str, 'integer_array': int, 'double_array': float,
}

_ROS_TYPES = {
    'bool': ParameterType.PARAMETER_BOOL,
    'integer': ParameterType.PARAMETER_INTEGER,
    'double': ParameterType.PARAMETER_DOUBLE,
    'string': ParameterType.PARAMETER_STRING,
    'string_array': ParameterType.PARAMETER_STRING_ARRAY,
    'integer_array': ParameterType.PARAMETER_INTEGER_ARRAY,
    'double_array': ParameterType.PARAMETER_DOUBLE_ARRAY,
}

Settings = TypeVar('Settings')


def accept_anything(_: Any) -> str:
    """Accept every value: the check of parameters whose kind and range say everything."""
    return ''


@dataclass(frozen=True)
class ParameterSpec:
    """
    One parameter: its default, its allowed values and its meaning.

    ``limits`` are the smallest and the largest number allowed. ``check`` returns what is wrong
    with a value of the right kind, or an empty text. ``read_only`` parameters are set when the
    node starts, the others at any time.
    """

    name: str
    kind: str
    default: Any
    text: str
    unit: str = ''
    limits: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    read_only: bool = False
    check: Callable[[Any], str] = accept_anything

    def allowed(self) -> str:
        """Say in words which values are allowed."""
        unit = f' {self.unit}' if self.unit else ''
        if self.choices:
            return ' or '.join(repr(choice) for choice in self.choices)
        if self.limits is not None:
            return f'{KINDS[self.kind]}, from {self.limits[0]} to {self.limits[1]}{unit}'
        return f'{KINDS[self.kind]}{unit and " in" + unit}'

    def problem(self, value: Any) -> str:
        """Return one sentence that says why a value is refused, or an empty text."""
        fault = self._fault(value)
        return fault and (
            f'parameter {self.name} cannot be {plain_value(value)!r}: {fault}; '
            f'allowed is {self.allowed()}'
        )

    def _fault(self, value: Any) -> str:
        value = plain_value(value)
        if not self._has_kind(value):
            return f'it has the wrong type ({_type_name(value)})'
        numbers = value if isinstance(value, list) else [value]
        if any(isinstance(number, float) and not math.isfinite(number) for number in numbers):
            return 'it is not a finite number'
        if self.limits is not None and not self.limits[0] <= value <= self.limits[1]:
            return 'it is out of range'
        if self.choices and value not in self.choices:
            return 'it is not one of the choices'
        return self.check(value)

    def _has_kind(self, value: Any) -> bool:
        expected = _PYTHON_TYPES[self.kind]
        # Not isinstance: True is an int to it.
        if self.kind.endswith('_array'):
            return isinstance(value, list) and all(type(item) is expected for item in value)
        return type(value) is expected


def plain_value(value: Any) -> Any:
    """Return a value with rclpy's array types as lists, so that values can be compared."""
    return value if value is None or isinstance(value, (bool, int, float, str)) else list(value)


def _type_name(value: Any) -> str:
    if isinstance(value, list):
        return f'a list of {_type_name(value[0])}' if value else 'an empty list'
    return type(value).__name__


@dataclass(frozen=True)
class ParameterRule:
    """
    A condition between several parameters, each of which is allowed on its own.

    ``check`` returns what is wrong with the values of all parameters, or an empty text.
    """

    names: tuple[str, ...]
    check: Callable[[Mapping[str, Any]], str]


class ParameterTable:
    """The parameters of one node by name, and the rules between them."""

    def __init__(
        self, specs: Iterable[ParameterSpec], rules: Iterable[ParameterRule] = ()
    ) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self._rules = tuple(rules)

    def __iter__(self) -> Iterator[ParameterSpec]:
        return iter(self._specs.values())

    def __contains__(self, name: str) -> bool:
        return name in self._specs

    def __getitem__(self, name: str) -> ParameterSpec:
        return self._specs[name]

    def problem(self, values: Mapping[str, Any]) -> str:
        """Return what is wrong with the first refused value, or an empty text."""
        problems = (
            self._specs[name].problem(value)
            for name, value in values.items() if name in self._specs
        )
        return next(filter(None, problems), '')

    def conflict(self, values: Mapping[str, Any], changed: Iterable[str]) -> str:
        """
        Return how the first broken rule is broken that names a changed parameter, or ''.

        ``values`` holds all parameters, each allowed on its own.
        """
        names = set(changed)
        breaches = (rule.check(values) for rule in self._rules if names.intersection(rule.names))
        return next(filter(None, breaches), '')

    def defaults(self) -> dict[str, Any]:
        """Return the default of every parameter."""
        return {spec.name: spec.default for spec in self}

    def require(self, values: Mapping[str, Any]) -> None:
        """Raise ConfigError for the first value that is not allowed."""
        problem = self.problem(values)
        if problem:
            raise ConfigError(problem)


def describe(spec: ParameterSpec) -> ParameterDescriptor:
    """Return the descriptor that ``ros2 param describe`` shows."""
    descriptor = ParameterDescriptor(
        name=spec.name, type=_ROS_TYPES[spec.kind], read_only=spec.read_only,
        description=spec.text,
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
    The parameters of a node, always with allowed values; for the executor's thread only.

    ``build`` makes settings of the values; both are kept until a parameter changes.

    Where a value from the command line or a file is not allowed, the default stays and the problem
    is kept: ``require_valid`` raises until an allowed value is set, so that nothing runs with
    another setting than the one that was given.
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
        # Last: rclpy calls it for declarations as well, and it reads every parameter of the table.
        node.add_on_set_parameters_callback(self._check)

    @property
    def settings(self) -> Settings:
        """The current settings; raises ConfigError where values conflict."""
        if self._settings is None:
            self._settings = self._build(self.values())
        return self._settings

    def values(self) -> Mapping[str, Any]:
        """Return the value of every parameter of the table by name; arrays are tuples."""
        if self._values is None:
            self._values = {spec.name: self._read(spec.name) for spec in self._table}
        return self._values

    def require_valid(self) -> None:
        """Raise ConfigError where a value given at the start was refused, or two conflict."""
        values = self.values()
        conflict = self._table.conflict(values, values)
        problems = [*self._startup_problems.values(), *filter(None, [conflict])]
        if problems:
            raise ConfigError('; '.join(problems))

    def _read(self, name: str) -> Any:
        value = self._node.get_parameter(name).value
        return value if isinstance(value, (bool, int, float, str)) else tuple(value)

    def _declare(self, spec: ParameterSpec) -> None:
        # Private, because rclpy has no public way to see a value before it is declared.
        override = self._node._parameter_overrides.get(spec.name)
        problem = spec.problem(override.value) if override is not None else ''
        if problem:
            hint = 'start the node again' if spec.read_only else 'set it to an allowed value'
            self._startup_problems[spec.name] = (
                f'{problem}; it came from the command line or a parameter file: correct it and '
                f'{hint}'
            )
        self._node.declare_parameter(
            spec.name, spec.default, describe(spec), ignore_override=bool(problem)
        )

    def _check(self, parameters: list[Parameter]) -> SetParametersResult:
        """Refuse what the table does not allow; an exception here would kill the node."""
        try:
            changed = {item.name: item.value for item in parameters}
            problem = self._table.problem(changed) or self._table.conflict(
                {**self.values(), **changed}, changed)
        except Exception as error:  # noqa: B902
            problem = f'the value could not be checked: {error!r}'
        if not problem:
            for item in parameters:
                self._startup_problems.pop(item.name, None)
        # Read them again later: rclpy sets them after this, unless another callback refuses.
        self._values = self._settings = None
        return SetParametersResult(successful=not problem, reason=problem)
