"""
Started by Python before anything else, under the name sitecustomize: no way out for this process.

Every connection, message or look-up that Python makes to another machine is written to the file
NETWORK_LOG and refused, and so is every object that a pickle asks for.
"""

import os
import sys

WATCHED = (
    'socket.connect', 'socket.sendto', 'socket.sendmsg', 'socket.getaddrinfo',
    'socket.gethostbyname', 'socket.gethostbyaddr', 'urllib.Request', 'pickle.find_class',
)
"""Events of PEP 578; they are raised by the C code of CPython, whoever calls it and how."""
HERE = ('localhost', '127.', '::1')


def is_local(event, arguments):
    """Tell whether a socket talks to this machine: an address of it, or a path."""
    if not event.startswith('socket.'):
        return False
    address = arguments[0] if event.startswith('socket.get') else arguments[1]
    host = address[0] if isinstance(address, tuple) else address
    return not isinstance(address, tuple) and not event.startswith('socket.get') or (
        str(host).startswith(HERE))


def refuse(event, arguments):
    """Note and refuse a watched event."""
    if event in WATCHED and not is_local(event, arguments):
        with open(os.environ['NETWORK_LOG'], 'a') as log:
            log.write(f'{event} {arguments!r}\n')
        raise PermissionError(f'refused by the test: {event} {arguments!r}')


if __name__ == 'sitecustomize':
    sys.addaudithook(refuse)
