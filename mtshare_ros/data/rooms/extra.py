"""The optional dependency of the rooms."""

from mtshare_ros.errors import MissingExtraError


def require_numba() -> None:
    """Raise MissingExtraError, naming the extra, where numba is not installed."""
    try:
        import numba  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            f'rendering the procedural rooms needs numba, which cannot be imported ({error}); '
            "install it with: pip install 'mtshare_ros[rooms]'"
        ) from error
