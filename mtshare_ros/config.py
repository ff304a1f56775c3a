"""Reading and writing configurations, which are frozen dataclasses, as YAML or JSON values."""

from dataclasses import asdict, fields, is_dataclass, MISSING, replace
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints, Mapping, TypeVar

import yaml

from mtshare_ros.errors import ConfigError

T = TypeVar('T')


def to_values(config: Any) -> dict[str, Any]:
    """Return a configuration as plain values that YAML and JSON can hold."""
    return asdict(config)


def from_values(cls: type[T], values: Mapping[str, Any], source: str) -> T:
    """
    Build a configuration dataclass from plain values; ``source`` names their origin in errors.

    Raises ConfigError for unknown or missing keys and for values of the wrong type.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f'{source}: expected keys and values, found {values!r}')
    hints = get_type_hints(cls)
    known = {item.name: item for item in fields(cls)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ConfigError(
            f'{source}: unknown key {unknown[0]!r}; allowed are {", ".join(known)}')
    missing = [name for name, item in known.items() if name not in values
               and item.default is MISSING and item.default_factory is MISSING]
    if missing:
        raise ConfigError(f'{source}: the key {missing[0]!r} is missing')
    converted = {name: _convert(hints[name], value, f'{source}: {name}')
                 for name, value in values.items()}
    try:
        return cls(**converted)
    except ConfigError as error:
        raise ConfigError(f'{source}: {error}') from None


def load_config(path: Path, cls: type[T]) -> T:
    """Read a configuration dataclass from a YAML file; raise ConfigError naming the file."""
    try:
        values = yaml.safe_load(path.read_text(encoding='utf-8')) or {}
    except OSError as error:
        raise ConfigError(f'{path}: cannot be read: {error.strerror}') from error
    except yaml.YAMLError as error:
        raise ConfigError(f'{path}: is not YAML: {error}') from error
    return from_values(cls, values, str(path))


def override(config: T, settings: list[str]) -> T:
    """
    Return the configuration with ``key=value`` settings applied; ``a.b`` is key b inside a.

    Values are read as YAML. Raises ConfigError for keys and values that are not allowed.
    """
    for setting in settings:
        key, separator, text = setting.partition('=')
        if not separator:
            raise ConfigError(f'{setting!r} is not of the form key=value')
        config = _set(config, key.split('.'), yaml.safe_load(text), setting)
    return config


def _set(config: Any, path: list[str], value: Any, source: str) -> Any:
    if isinstance(config, dict):
        return _set_entry(config, path, value, source)
    if path[0] not in {item.name for item in fields(config)}:
        allowed = ', '.join(item.name for item in fields(config))
        raise ConfigError(f'{source}: unknown key {path[0]!r}; allowed are {allowed}')
    if len(path) > 1:
        value = _set(getattr(config, path[0]), path[1:], value, source)
    else:
        value = _convert(get_type_hints(type(config))[path[0]], value, source)
    return replace(config, **{path[0]: value})


def _set_entry(
    entries: dict[str, Any], path: list[str], value: Any, source: str
) -> dict[str, Any]:
    """Return a dict of configurations in which one value of one of them is replaced."""
    if path[0] not in entries or len(path) == 1:
        raise ConfigError(f'{source}: {path[0]!r} holds no value to change; give the whole key, '
                          f'one of {", ".join(f"{key}.<...>" for key in entries) or "none"}')
    return {**entries, path[0]: _set(entries[path[0]], path[1:], value, source)}


def _convert(hint: Any, value: Any, source: str) -> Any:
    """Return a value as the type of its annotation: dataclass, tuple, dict, plain or optional."""
    if NoneType in get_args(hint):
        return None if value is None else _convert(get_args(hint)[0], value, source)
    if is_dataclass(hint):
        return from_values(hint, value, source)  # type: ignore[arg-type]
    if get_origin(hint) is tuple:
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f'{source}: expected a list, found {value!r}')
        return tuple(_convert(get_args(hint)[0], item, source) for item in value)
    if get_origin(hint) is dict:
        if not isinstance(value, Mapping):
            raise ConfigError(f'{source}: expected keys and values, found {value!r}')
        return {str(key): _convert(get_args(hint)[1], item, f'{source}.{key}')
                for key, item in value.items()}
    if hint is float:
        return _to_float(value, source)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise ConfigError(f'{source}: expected {hint.__name__}, found {value!r}')
    return value


def _to_float(value: Any, source: str) -> float:
    """Return a number, also from text: YAML reads 5e-4, without a point, as text."""
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass
    raise ConfigError(f'{source}: expected float, found {value!r}')


def require(condition: bool, name: str, value: Any, allowed: str) -> None:
    """Raise ConfigError with key, value and what is allowed, unless the condition holds."""
    if not condition:
        raise ConfigError(f'{name} is {value!r}; allowed is {allowed}')
