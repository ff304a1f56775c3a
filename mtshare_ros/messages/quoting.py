"""Text that came in a message, fit for one line of a log."""

LONGEST_QUOTE = 60
"""Characters kept of a text; whoever publishes images decides how long their encoding is."""


def quote(text: str) -> str:
    """Return a text in quotes on one line, cut where it is longer than any sensible one."""
    if len(text) <= LONGEST_QUOTE:
        return repr(text)
    return f'{text[:LONGEST_QUOTE]!r}... ({len(text)} characters)'
