"""
What a parameter is, and whether a value may stand for it.

The tables of the nodes are built from these specifications; declaring, checking and documenting
all read the same row.
"""

from dataclasses import dataclass
import math
from typing import Any, Callable, Iterable, Iterator, Mapping

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


def accept_anything(_: Any) -> str:
    """Find nothing wrong; the check of parameters that their kind and range already describe."""
    return ''


@dataclass(frozen=True)
class ParameterSpec:
    """
    One parameter: its default, what is allowed and what it means.

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
        if self.kind.endswith('_array'):
            return isinstance(value, list) and all(type(item) is expected for item in value)
        return type(value) is expected


def plain_value(value: Any) -> Any:
    """Turn the array types of rclpy into lists, so that one comparison serves all."""
    return value if value is None or isinstance(value, (bool, int, float, str)) else list(value)


def _type_name(value: Any) -> str:
    if isinstance(value, list):
        return f'a list of {_type_name(value[0])}' if value else 'an empty list'
    return type(value).__name__


@dataclass(frozen=True)
class ParameterRule:
    """
    What must hold between several parameters, each of which is allowed on its own.

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
        Return the first breach of a rule that the changed parameters have a part in.

        ``values`` are those of all parameters, each allowed on its own.
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
