"""Start a simulated camera and the perception node; no hardware is needed."""

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    OpaqueFunction,
    SetEnvironmentVariable,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_ros.actions import Node

from mtshare_ros.data.rooms.motions import CAMERA_MOTIONS
from mtshare_ros.file_paths import share_directory
from mtshare_ros.model.manifest import load_manifest
from mtshare_ros.nodes.node_environment import RENDERED_CAMERA


def arguments() -> list[LaunchDescriptionEntity]:
    """Return the arguments of the simulated camera, beside those of perception.launch.py."""
    return [
        DeclareLaunchArgument(
            'model', default_value=load_manifest().default,
            description='Name of a model or path of a checkpoint; by default the one that was '
                        'trained on such rooms.'),
        DeclareLaunchArgument(
            'motion', default_value='handheld', choices=list(CAMERA_MOTIONS),
            description='How the camera moves.'),
        DeclareLaunchArgument(
            'seed', default_value='1100003',
            description='Which room, camera path and moving objects; no shipped model was trained '
                        'on 1100000 to 1199999.'),
        DeclareLaunchArgument(
            'rate', default_value='30.0', description='Images published in a second, in Hz.'),
        DeclareLaunchArgument(
            'width', default_value='320', description='Width of the images in pixels.'),
        DeclareLaunchArgument(
            'height', default_value='240', description='Height of the images in pixels.'),
        DeclareLaunchArgument(
            'noise', default_value='1.0', description='Factor on the sensor noise.'),
        DeclareLaunchArgument(
            'quality', default_value='live', choices=['live', 'full'],
            description='How accurately light is computed.'),
        DeclareLaunchArgument(
            'ground_truth', default_value='false', choices=['true', 'false'],
            description='Publish the true maps as ground_truth/*.'),
        DeclareLaunchArgument(
            'clip', default_value='',
            description='Path of a pre-rendered clip to replay; empty: render images.'),
    ]


def camera_parameters(values: dict[str, str]) -> dict[str, str | int | float | bool]:
    """Return the parameters of the simulated camera with their types."""
    return {
        **{name: values[name] for name in ('motion', 'quality', 'clip')},
        **{name: int(values[name]) for name in ('seed', 'width', 'height')},
        **{name: float(values[name]) for name in ('rate', 'noise')},
        'ground_truth': values['ground_truth'] == 'true',
    }


def start_camera(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Return the simulated camera, on the topics that the perception node listens to."""
    values = context.launch_configurations
    if values['video']:
        raise ValueError(f'video:={values["video"]} cannot be used with the simulated camera: '
                         f'give it to perception.launch.py')
    return [Node(
        package='mtshare_ros', executable='sim_camera_node', namespace=values['namespace'],
        parameters=[camera_parameters(values)],
        remappings=[('image', values['image']), ('camera_info', values['camera_info'])],
        ros_arguments=['--log-level', values['log_level']], output='screen', emulate_tty=True,
    )]


def generate_launch_description() -> LaunchDescription:
    """Return perception.launch.py and a simulated camera."""
    perception = share_directory() / 'launch' / 'perception.launch.py'
    return LaunchDescription([
        *arguments(),
        SetEnvironmentVariable(RENDERED_CAMERA, '1'),
        IncludeLaunchDescription(PythonLaunchDescriptionSource(str(perception))),
        # After the inclusion, which declares arguments of both nodes and sets the DDS profile.
        OpaqueFunction(function=start_camera),
    ])
