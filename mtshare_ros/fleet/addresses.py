"""Addresses such as s3://bucket/drives, reached by fsspec."""

from contextlib import contextmanager
from dataclasses import dataclass
import re
from typing import Any, Iterator

from mtshare_ros.errors import import_extra, MissingExtraError, MtshareError, RecordingError

_SCHEME = re.compile(r'([A-Za-z][A-Za-z0-9+.-]*)://')
_PASSWORD = re.compile(r'://[^/@]*:[^/@]*@')
_LOCAL = ('file', 'local')

_LONGEST_REASON = 300
"""Characters of what a file system says is wrong; some add all of a page or of a stack."""


def is_address(text: str) -> bool:
    """Return whether a text is the address of something that is not a local file."""
    scheme = _SCHEME.match(text)
    return scheme is not None and scheme[1].lower() not in _LOCAL


def without_scheme(text: str) -> str:
    """Return the path in file:///path; other texts as they are."""
    scheme = _SCHEME.match(text)
    return text[scheme.end():] if scheme and scheme[1].lower() in _LOCAL else text


def check_address(text: str) -> None:
    """Raise RecordingError for an address with a secret in it, which messages would show."""
    if _PASSWORD.search(text) or (
            text.lower().startswith('http') and '?' in text):
        shown = _PASSWORD.sub('://…@', text).partition('?')[0]
        raise RecordingError(
            f'{shown}: the address holds a password or a signature, which the manifest and '
            'messages would show; leave it out, and configure it where fsspec reads it: '
            'environment variables FSSPEC_<PROTOCOL>_<OPTION> or files in ~/.config/fsspec')


@dataclass(frozen=True)
class Address:
    """A file or a folder that fsspec reaches; picklable, connected when it is used."""

    url: str

    @property
    def _opened(self) -> tuple[Any, str]:
        core = import_extra('fsspec.core', f'reading {self.url}', 'fleet')
        # some file systems connect, or start Java, when they are made
        with reaching(self.url, 'opened'):
            try:
                # no cache: other processes and machines write while this one lists
                system, path = core.url_to_fs(self.url, use_listings_cache=False)
            except ImportError as error:
                raise MissingExtraError(_missing_package(self.url, error)) from error
            except (ValueError, FileNotFoundError) as error:
                raise RecordingError(f'{self.url}: {error}; allowed are paths and addresses that '
                                     'fsspec reaches, such as s3://bucket/folder') from error
        return system, path

    @property
    def system(self) -> Any:
        """The file system; fsspec itself keeps one for each set of options."""
        return self._opened[0]

    @property
    def path(self) -> str:
        """The path in the file system."""
        return self._opened[1]

    @property
    def answers_at_once(self) -> bool:
        """
        Whether many requests are answered at once, as by object stores.

        Other file systems, such as sftp, answer one after the other, and fsspec reads megabytes
        ahead of each.
        """
        return bool(self.system.async_impl)

    @property
    def canonical(self) -> str:
        """The one URL for it among those with the same meaning, without a slash at its end."""
        system, path = self._opened
        return str(system.unstrip_protocol(path)).rstrip('/')

    def __truediv__(self, name: str) -> 'Address':
        return Address(f'{self.url.rstrip("/")}/{name}') if name else self


def _missing_package(url: str, error: ImportError) -> str:
    """Return the message for a protocol whose package is not installed."""
    protocol = url.partition('://')[0]
    registry = import_extra('fsspec.registry', f'reading {url}', 'fleet')
    known = registry.known_implementations.get(protocol, {}).get('class', '')
    package = known.partition('.')[0]
    if not package or package == 'fsspec':
        return f'{url}: {protocol}:// needs a package that is missing: {error}'
    return (f'{url}: {protocol}:// needs {package}, which cannot be imported ({error}); '
            f'install it with: pip install {package}')


@contextmanager
def reaching(url: str, what: str, kind: type[RecordingError] = RecordingError) -> Iterator[None]:
    """
    Turn whatever a file system raises into an error that names the address and the reason.

    FileNotFoundError passes, as its meaning depends on the caller. ``what`` completes "cannot be".
    """
    try:
        yield
    except (MtshareError, FileNotFoundError):
        raise
    except Exception as error:  # noqa: B902 - each file system has classes of its own
        reason = ' '.join(str(error).split()) or type(error).__name__
        if len(reason) > _LONGEST_REASON:
            reason = f'{reason[:_LONGEST_REASON]}…'
        raise kind(
            f'{url}: cannot be {what}: {reason}; check the address, the connection, and the '
            'credentials that fsspec takes from the environment') from error
