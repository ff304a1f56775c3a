"""What no code that runs on the robot may call or import, found in its syntax."""

import ast
from typing import Iterator

from architecture_rules import RUNS_ON_THE_ROBOT, Source

UNPICKLERS = ('pickle', 'cPickle', 'dill', 'cloudpickle', 'joblib', 'marshal', 'shelve')
PROCESSES = ('subprocess', 'pty', 'multiprocessing')
NETWORK = (
    'aiohttp', 'asyncio', 'ftplib', 'gdown', 'http', 'httpx', 'huggingface_hub', 'requests',
    'smtplib', 'socket', 'socketserver', 'ssl', 'timm', 'torchvision', 'tornado', 'transformers',
    'urllib', 'urllib3', 'websockets', 'xmlrpc',
)
"""Modules that open connections, or whose models come from the network."""

SERVERS = ('mtshare_ros.nodes.dashboard',)
"""Packages that are there to be connected to; the perception node imports none of them."""

CALLS = (
    'builtins.eval', 'builtins.exec', 'compile', 'eval', 'exec', '__import__', 'os.system',
    'os.popen', 'torch.load', 'torch.jit.load', 'yaml.load', 'yaml.load_all',
    'yaml.full_load', 'yaml.unsafe_load',
)
CALLS_BY_BEGINNING = ('os.exec', 'os.spawn', 'os.posix_spawn', 'torch.hub.', 'runpy.')
IMPORTERS = ('import_extra',)
"""Functions that import what they are given."""

SAFE_LOADERS = ('yaml.SafeLoader', 'yaml.CSafeLoader')


def dangers(source: Source) -> list[str]:
    """Return one sentence for each danger in a file; none for one that stays off the robot."""
    rules = [unsafe_loads]
    if source.layer in RUNS_ON_THE_ROBOT:
        rules += [banned_imports, banned_calls, imports_by_name]
    return [f'{source.path}:{danger}' for rule in rules for danger in rule(source)]


def banned_imports(source: Source) -> Iterator[str]:
    """Find modules that run other code, or that talk to the network."""
    banned = (*UNPICKLERS, *PROCESSES)
    if not source.module.startswith(SERVERS):
        banned += NETWORK
    for used in source.imports:
        if used.top in banned or f'{used.name}.'.startswith('torch.hub.'):
            yield f'{used.line}: {used.name} is not allowed on the robot'


def banned_calls(source: Source) -> Iterator[str]:
    """Find calls that run code or other programs."""
    for call in source.calls:
        name = ast.unparse(call.func)
        if name in CALLS or name.startswith(CALLS_BY_BEGINNING):
            yield f'{call.lineno}: {name} is not allowed on the robot'


def imports_by_name(source: Source) -> Iterator[str]:
    """
    Find imports of what is not written there: a parameter could name it.

    The functions that pass a name on to ``import_module`` are looked at where they are called.
    """
    passing_on = [call for function in source.functions if function.name in IMPORTERS
                  for call in ast.walk(function) if isinstance(call, ast.Call)]
    for call in source.calls:
        name = ast.unparse(call.func).rpartition('.')[2]
        if name in ('import_module', *IMPORTERS) and call not in passing_on:
            if not (call.args and source.literals(call.args[0])):
                yield f'{call.lineno}: {name} of a name that is not a literal'


def unsafe_loads(source: Source) -> Iterator[str]:
    """Find loaders that make objects of any type out of a file, anywhere in the package."""
    for call in source.calls:
        name, options = ast.unparse(call.func), [ast.unparse(word) for word in call.keywords]
        if name == 'torch.load' and not (
                source.layer == 'training' and 'weights_only=True' in options):
            yield f'{call.lineno}: torch.load outside training, or without weights_only=True'
        if name.endswith('.load') and 'allow_pickle=True' in options:
            yield f'{call.lineno}: {name} with allow_pickle=True'
        loaders = [f'Loader={loader}' for loader in SAFE_LOADERS]
        if name in ('yaml.load', 'yaml.load_all') and not set(options).intersection(loaders):
            yield f'{call.lineno}: {name} without a safe loader'
