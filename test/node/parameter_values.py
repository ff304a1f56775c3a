"""Values at and beyond the limits of a parameter, made from its row of the table."""

import math

_WRONG_TYPE = {'bool': 1, 'integer': 1.5, 'double': 1, 'string': 3,
               'integer_array': [1.5], 'double_array': [1, 8], 'string_array': [1]}
# What the limits of a number do not say: values of lists, and rules between two parameters.
_GOOD = {'depth.color_range': [[0.0, 20.0]], 'temporal.refresh_period': [1, 90],
         'temporal.max_age': [30, 3000]}
_BAD = {'depth.color_range': [[1.0], [4.0, 2.0], [-1.0, 2.0], [0.5, math.nan]],
        'temporal.refresh_period': [91], 'temporal.max_age': [29]}


def good_values(spec):
    """Return the smallest and the largest value, or every choice."""
    if spec.name in _GOOD:
        return _GOOD[spec.name]
    if spec.kind == 'bool':
        return [True, False]
    return list(spec.choices) or [_bound(spec, 0), _bound(spec, 1)]


def bad_values(spec):
    """Return a value of the wrong type, values beyond the limits, and what is no number."""
    values = [_WRONG_TYPE[spec.kind], *_BAD.get(spec.name, [])]
    if spec.choices:
        values.append('something else')
    if spec.limits:
        step = 1 if spec.kind == 'integer' else 0.001
        values += [_bound(spec, 0) - step, _bound(spec, 1) + step]
    if spec.kind == 'double':
        values += [math.nan, math.inf]
    return values


def _bound(spec, end):
    return (int if spec.kind == 'integer' else float)(spec.limits[end])
