"""
What SECURITY.md promises holds in the code.

The rules read the syntax of this package. They do not see what the libraries under it do, nor a
function that is called under another name; what the running node opens is seen by
``node/test_without_network.py``.
"""

from pathlib import Path

from architecture_rules import Source, sources
import pytest
from security_rules import dangers

ROOT = Path(__file__).resolve().parent.parent
SECURITY = (ROOT / 'SECURITY.md').read_text()


@pytest.fixture
def dangers_of(tmp_path):
    """Return a function that writes one file of a made-up checkout and finds its dangers."""
    def find(path, text):
        target = tmp_path / path
        target.parent.mkdir(parents=True)
        target.write_text(text)
        return dangers(Source(tmp_path, Path(path)))
    return find


def test_the_package_holds_no_danger():
    assert not [danger for source in sources(ROOT) for danger in dangers(source)]


@pytest.mark.parametrize(('path', 'text', 'words'), [
    ('mtshare_ros/nodes/a.py', 'import pickle', 'pickle is not allowed'),
    ('mtshare_ros/model/a.py', 'def f():\n    from joblib import load', 'joblib.load is not'),
    ('mtshare_ros/inference/a.py', 'import_module("marshal")', 'marshal is not allowed'),
    ('launch/a.launch.py', 'from subprocess import run', 'subprocess.run is not allowed'),
    ('mtshare_ros/nodes/a.py', 'eval("1")', 'eval is not allowed'),
    ('mtshare_ros/model/a.py', 'builtins.exec("1")', 'exec is not allowed'),
    ('launch/a.launch.py', 'os.system("ls")', 'os.system is not allowed'),
    ('mtshare_ros/nodes/a.py', 'os.execv("ls", [])', 'os.execv is not allowed'),
    ('mtshare_ros/nodes/a.py', 'os.popen("ls")', 'os.popen is not allowed'),
    ('mtshare_ros/model/a.py', 'torch.hub.load("a/b", "c")', 'torch.hub.load is not allowed'),
    ('mtshare_ros/model/a.py', 'import urllib.request', 'urllib.request is not allowed'),
    ('mtshare_ros/inference/a.py', 'from huggingface_hub import x', 'huggingface_hub.x is not'),
    ('mtshare_ros/nodes/a.py', 'import socket', 'socket is not allowed'),
    ('mtshare_ros/nodes/a.py', 'importlib.import_module(name)', 'not a literal'),
    ('mtshare_ros/nodes/a.py', 'import_extra(name, "reading", "bags")', 'not a literal'),
    ('mtshare_ros/nodes/a.py', 'TABLE = {"a": name}\nimport_module(TABLE["a"])', 'not a literal'),
    ('mtshare_ros/cli/a.py', 'torch.load(path)', 'torch.load outside training'),
    ('mtshare_ros/training/a.py', 'torch.load(path)', 'torch.load outside training'),
    ('mtshare_ros/training/a.py', 'yaml.load(text)', 'without a safe loader'),
    ('mtshare_ros/training/a.py', 'yaml.load(text, Loader=yaml.Loader)', 'safe loader'),
    ('mtshare_ros/data/a.py', 'np.load(path, allow_pickle=True)', 'allow_pickle=True'),
])
def test_a_danger_is_found(dangers_of, path, text, words):
    assert words in ' '.join(dangers_of(path, text))


@pytest.mark.parametrize(('path', 'text'), [
    ('mtshare_ros/inference/a.py', 'network.eval()\nre.compile("x")\ntorch.compile(network)'),
    ('mtshare_ros/training/a.py', 'torch.load(path, weights_only=True)'),
    ('mtshare_ros/training/a.py', 'yaml.load(text, Loader=yaml.SafeLoader)'),
    ('mtshare_ros/data/a.py', 'np.load(path)\nimport multiprocessing'),
    ('mtshare_ros/nodes/a.py', 'yaml.safe_load(text)\nimportlib.import_module("PIL.Image")'),
    ('mtshare_ros/nodes/a.py', 'TABLE = {"a": "b.c"}\nimport_module(TABLE[name])'),
    ('mtshare_ros/nodes/a.py', 'import_extra("onnx", "reading", "real")'),
    ('mtshare_ros/nodes/dashboard/a.py', 'import socket'),
])
def test_what_is_harmless_is_not_reported(dangers_of, path, text):
    assert not dangers_of(path, text)


def test_the_perception_node_does_not_import_the_packages_that_may_open_connections():
    from security_rules import SERVERS

    importers = {
        source.module for source in sources(ROOT) for used in source.imports
        if used.name.startswith(SERVERS) and not source.module.startswith(SERVERS)
    }

    assert 'mtshare_ros.nodes.perception.node' not in importers
    assert not {name for name in importers if not name.startswith(
        ('mtshare_ros.nodes.dashboard.node', 'mtshare_ros.cli.'))}


def test_the_limits_of_model_files_are_those_that_security_md_names():
    weight_files = pytest.importorskip('mtshare_ros.model.weight_files')
    checkpoint = pytest.importorskip('mtshare_ros.model.checkpoint')

    for number in (
        f'{weight_files.LARGEST_FILE >> 30} GiB', f'{weight_files.LARGEST_HEADER >> 20} MiB',
        f'{weight_files.MOST_TENSORS:,} tensors'.replace(',', ' '), *checkpoint.ALLOWED_DTYPES,
    ):
        assert number in SECURITY


def test_the_limit_of_images_is_the_one_that_security_md_names():
    codec = pytest.importorskip(
        'mtshare_ros.nodes.codec', reason='ROS 2 is neither sourced nor installed as wheels')

    assert f'{codec.MAX_PIXELS:,}'.replace(',', ' ') in SECURITY
