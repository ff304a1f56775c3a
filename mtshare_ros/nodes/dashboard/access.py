"""Who may talk to the dashboard."""

from dataclasses import dataclass
import hmac
import ipaddress
import secrets

from mtshare_ros.nodes.dashboard.settings import DashboardSettings

_NAMES_OF_THIS_MACHINE = ('localhost', '127.0.0.1', '::1')


@dataclass(frozen=True)
class Access:
    """
    What a request has to show.

    ``hosts`` are the names by which a browser may call this server, empty where any will do. They
    keep out pages of other sites whose name was made to point here (DNS rebinding). ``token`` is
    empty where none is needed.
    """

    hosts: tuple[str, ...]
    token: str

    def refusal(self, host: str, token: str) -> str:
        """Return why a request with this host name and this token is refused, or an empty text."""
        if self.hosts and host.strip('[]').lower() not in self.hosts:
            return (f'this dashboard answers as {" or ".join(self.hosts)}, not as {host!r}; to '
                    'reach it by another name, set its parameter address')
        if self.token and not hmac.compare_digest(token.encode(), self.token.encode()):
            return ('the token is missing or wrong; open the address, token included, that the '
                    'dashboard wrote when it started')
        return ''


def grant_access(settings: DashboardSettings) -> Access:
    """
    Return the rules for an address.

    On this machine alone the name is checked; from elsewhere a token is needed, which then also
    keeps out other sites, whatever name the machine is called by.
    """
    if is_loopback(settings.address):
        names = dict.fromkeys((*_NAMES_OF_THIS_MACHINE, settings.address.lower()))
        return Access(tuple(names), settings.token)
    return Access((), settings.token or secrets.token_urlsafe(24))


def is_loopback(address: str) -> bool:
    """Return whether only programs of this machine can reach the address."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address.lower() == 'localhost'
