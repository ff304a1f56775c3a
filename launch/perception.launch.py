"""Start the perception node for one camera; it configures and activates itself."""

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch_ros.actions import Node

from mtshare_ros.nodes.dds_profile import profile_environment
from mtshare_ros.resources import share_directory

BOOLEANS = ('true', 'false')


def arguments() -> list[LaunchDescriptionEntity]:
    """Return the launch arguments; an empty default leaves the choice to the parameter file."""
    config = share_directory() / 'config'
    return [
        DeclareLaunchArgument(
            'namespace', default_value='',
            description='Namespace of the node and its topics: one for each camera.'),
        DeclareLaunchArgument(
            'image', default_value='image', description='Topic of the camera images.'),
        DeclareLaunchArgument(
            'camera_info', default_value='camera_info',
            description='Topic of the camera calibration.'),
        DeclareLaunchArgument(
            'params_file', default_value=str(config / 'perception.yaml'),
            description='Parameter file of the perception node.'),
        DeclareLaunchArgument(
            'model', default_value='',
            description='Name of a shipped model or path of a checkpoint; empty: as in '
                        'params_file.'),
        DeclareLaunchArgument(
            'device', default_value='',
            description='auto, cpu, cuda or cuda:<number>; empty: as in params_file.'),
        DeclareLaunchArgument(
            'autostart', default_value='', choices=['', *BOOLEANS],
            description='Configure and activate at once; empty: as in params_file.'),
        DeclareLaunchArgument(
            'use_sim_time', default_value='false', choices=BOOLEANS,
            description='Take the time from /clock, as a bag or a simulator publishes it.'),
        DeclareLaunchArgument(
            'rviz', default_value='false', choices=BOOLEANS,
            description='Show the outputs in rviz2.'),
        DeclareLaunchArgument(
            'log_level', default_value='info',
            choices=['debug', 'info', 'warn', 'error', 'fatal'],
            description='Least severity that is logged.'),
        DeclareLaunchArgument(
            'respawn', default_value='false', choices=BOOLEANS,
            description='Start the node again when it ends by itself.'),
    ]


def overrides(values: dict[str, str]) -> dict[str, str | bool]:
    """Return the parameters that launch arguments set over the parameter file."""
    parameters: dict[str, str | bool] = {'use_sim_time': values['use_sim_time'] == 'true'}
    parameters.update({name: values[name] for name in ('model', 'device') if values[name]})
    if values['autostart']:
        parameters['autostart'] = values['autostart'] == 'true'
    return parameters


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Return the actions for the arguments given."""
    values = context.launch_configurations
    perception = Node(
        package='mtshare_ros', executable='perception_node', namespace=values['namespace'],
        parameters=[values['params_file'], overrides(values)],
        remappings=[('image', values['image']), ('camera_info', values['camera_info'])],
        ros_arguments=['--log-level', values['log_level']], output='screen', emulate_tty=True,
        respawn=values['respawn'] == 'true', respawn_delay=1.0,
    )
    rviz = Node(
        package='rviz2', executable='rviz2', namespace=values['namespace'],
        arguments=['-d', str(share_directory() / 'config' / 'perception.rviz')],
        parameters=[{'use_sim_time': values['use_sim_time'] == 'true'}],
    )
    profile = profile_environment(context.environment)
    return [
        *(SetEnvironmentVariable(name, value) for name, value in profile.items()),
        perception, *([rviz] if values['rviz'] == 'true' else []),
    ]


def generate_launch_description() -> LaunchDescription:
    """Return the perception node and, if wanted, rviz2."""
    return LaunchDescription([*arguments(), OpaqueFunction(function=start)])
