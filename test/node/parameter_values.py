"""Values at the limits of a parameter, made from its row of the table."""

# What the limits of a number do not say: values of lists, and rules between two parameters.
_GOOD = {'depth.color_range': [[0.0, 20.0]], 'temporal.refresh_period': [1, 90],
         'temporal.max_age': [30, 3000], 'motion.frame': ['map'],
         'motion.source': ['none', 'gyroscope'], 'motion.fusion': [False, True],
         'motion.every_frame': [False]}


def good_values(spec):
    """Return the smallest and the largest value, or every choice."""
    if spec.name in _GOOD:
        return _GOOD[spec.name]
    if spec.kind == 'bool':
        return [True, False]
    number = int if spec.kind == 'integer' else float
    return list(spec.choices) or [number(limit) for limit in spec.limits]
