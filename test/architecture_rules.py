"""The rules of imports between the layers, and what must not be called or printed where."""

import ast
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Iterator

PACKAGE = 'mtshare_ros'

MAY_IMPORT = {
    'foundation': (),
    'model': ('foundation',),
    'sharing': ('model',),
    'motion': ('foundation',),
    'inference': ('sharing', 'motion'),
    'data': ('foundation',),
    'export': ('inference',),
    'evaluation': ('inference', 'data'),
    'benchmark': ('evaluation', 'export'),
    'report': ('benchmark',),
    'training': ('data', 'evaluation', 'model', 'sharing'),
    'messages': ('foundation',),
    'recording': ('messages', 'inference'),
    'fleet': ('recording', 'evaluation', 'report'),
    'nodes': ('messages', 'inference'),
    'cli': ('training', 'fleet', 'nodes'),
}
"""The arrows between the layers; what is reachable along them may be imported."""

CAMERAS = {
    'mtshare_ros.nodes.sim_camera': 'mtshare_ros.data.rooms',
    'mtshare_ros.nodes.video_camera': 'mtshare_ros.recording',
}
"""The only folders of the nodes that may import more, and what: their frames come from there."""

RUNS_ON_THE_ROBOT = ('foundation', 'model', 'sharing', 'motion', 'inference', 'messages',
                     'nodes', 'launch')
ROS_MODULES = ('rclpy', 'rcl_interfaces', 'std_srvs', 'cv_bridge', 'launch', 'launch_ros')
BANNED_MODULES = ('pickle', 'cPickle', 'dill', 'subprocess')
BANNED_BUILTINS = ('eval', 'exec', '__import__')


@dataclass(frozen=True)
class Import:
    """One imported name; ``lazy`` if the import is inside a function."""

    name: str
    line: int
    lazy: bool

    @property
    def top(self) -> str:
        """The package that the name begins with."""
        return self.name.split('.')[0]


@dataclass(frozen=True)
class Source:
    """One parsed file, ``path`` relative to the root of the checkout."""

    root: Path
    path: Path

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse((self.root / self.path).read_text(), str(self.path))

    @property
    def module(self) -> str:
        """The dotted name of the file."""
        return '.'.join(self.path.with_suffix('').parts).removesuffix('.__init__')

    @property
    def layer(self) -> str:
        """The layer the file belongs to."""
        return layer_of(self.module)

    @cached_property
    def imports(self) -> list[Import]:
        """Everything imported; ``from a import b`` counts as ``a.b``."""
        lazy = {
            id(node) for function in self.functions for node in ast.walk(function)
        }
        return [
            Import(name, node.lineno, id(node) in lazy)
            for node in ast.walk(self.tree) for name in self.imported_names(node)
        ]

    def imported_names(self, node: ast.AST) -> list[str]:
        """Return what a statement or a call imports; a relative import begins with a dot."""
        if isinstance(node, ast.Import):
            return [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            module = '.' * node.level + (node.module or '')
            return [f'{module}.{alias.name}' for alias in node.names]
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith('import_module'):
            return [value for word in node.args for value in self.literals(word) or ()]
        return []

    def literals(self, word: ast.expr) -> list[str] | None:
        """
        Return the values that an expression may have, None where they are not written there.

        They are those of a literal, or of a table of literals at the top of the same file.
        """
        values = [word]
        if isinstance(word, ast.Subscript):
            tables = {ast.unparse(node.targets[0]): node.value.values for node in self.tree.body
                      if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)}
            values = tables.get(ast.unparse(word.value), [word])
        literal = all(isinstance(value, ast.Constant) for value in values)
        return [value.value for value in values] if literal else None

    @cached_property
    def functions(self) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Every function and method."""
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
        return [node for node in ast.walk(self.tree) if isinstance(node, kinds)]

    @property
    def calls(self) -> Iterator[ast.Call]:
        """Every call."""
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.Call))


def layer_of(module: str) -> str:
    """Return the layer of a dotted name; single modules of the package are its foundation."""
    parts = module.split('.')
    if parts[0] != PACKAGE:
        return parts[0]
    return parts[1] if len(parts) > 1 and parts[1] in MAY_IMPORT else 'foundation'


def reachable(layer: str) -> set[str]:
    """Return a layer and every layer that its arrows lead to."""
    found = {layer}
    for target in MAY_IMPORT.get(layer, ()):
        found |= reachable(target)
    return found


def sources(root: Path) -> list[Source]:
    """Return the package and the launch files of a checkout."""
    paths = sorted([*root.glob(f'{PACKAGE}/**/*.py'), *root.glob('launch/**/*.py')])
    return [Source(root, path.relative_to(root)) for path in paths]


def faults(root: Path) -> list[str]:
    """Return one sentence for each violation in a checkout."""
    rules = (unknown_packages, wrong_imports, ros_outside_nodes, printing, dangerous_code)
    return [
        f'{source.path}:{fault}'
        for source in sources(root) for rule in rules for fault in rule(source)
    ]


def unknown_packages(source: Source) -> Iterator[str]:
    """Find folders that the rules do not know."""
    parts = source.path.parts
    if parts[0] == PACKAGE and len(parts) > 2 and parts[1] not in MAY_IMPORT:
        yield f'1: the package {parts[1]} has no place in the import rules'


def wrong_imports(source: Source) -> Iterator[str]:
    """Find imports against the arrows, relative ones, and eager ones of nodes by cli."""
    for used in source.imports:
        if used.name.startswith('.'):
            yield f'{used.line}: a relative import hides its layer; write the full name'
        # the package itself names its public classes, and imports them when they are used
        if used.top != PACKAGE or source.layer == 'launch' or source.module == PACKAGE:
            continue
        target = layer_of(used.name)
        if target not in reachable(source.layer) and not is_source_of_camera(source, used):
            yield f'{used.line}: {source.layer} must not import {used.name}'
        if source.layer == 'cli' and target == 'nodes' and not used.lazy:
            yield f'{used.line}: cli must import {used.name} inside the function that needs it'


def is_source_of_camera(source: Source, used: Import) -> bool:
    """Tell the exceptions: the simulated camera renders rooms, the video camera reads videos."""
    allowed = CAMERAS.get(source.module.rpartition('.')[0])
    return allowed is not None and f'{used.name}.'.startswith(f'{allowed}.')


def ros_outside_nodes(source: Source) -> Iterator[str]:
    """Find ROS in the layers that must work without it."""
    if source.layer in ('nodes', 'launch'):
        return
    for used in source.imports:
        if used.top in ROS_MODULES or used.top.endswith('_msgs'):
            yield f'{used.line}: only nodes may import {used.top}'


def printing(source: Source) -> Iterator[str]:
    """Find output to the terminal below the command line."""
    if source.layer == 'cli':
        return
    for call in source.calls:
        if ast.unparse(call.func) in ('print', 'sys.stdout.write'):
            yield f'{call.lineno}: only cli prints'
    for used in source.imports:
        if used.top in ('rich', 'typer'):
            yield f'{used.line}: only cli may import {used.top}'


def dangerous_code(source: Source) -> Iterator[str]:
    """Find what could run code that came in a file or a message."""
    for call in source.calls:
        name = ast.unparse(call.func)
        if name in BANNED_BUILTINS and source.layer in RUNS_ON_THE_ROBOT:
            yield f'{call.lineno}: {name} is not allowed here'
        if name in ('torch.load', 'os.system') and not is_safe_load(source, call):
            yield f'{call.lineno}: {name} is not allowed here'
    for used in source.imports:
        if used.name == 'torch.load':
            yield f'{used.line}: write torch.load where it is called'
        if used.top in BANNED_MODULES and source.layer in RUNS_ON_THE_ROBOT:
            yield f'{used.line}: {used.top} is not allowed here'


def is_safe_load(source: Source, call: ast.Call) -> bool:
    """Tell whether a torch.load is one in training that reads weights only."""
    options = [ast.unparse(keyword) for keyword in call.keywords]
    return source.layer == 'training' and 'weights_only=True' in options
