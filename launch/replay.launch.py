"""Play a recorded bag through the perception node, on the clock of the bag."""

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    IncludeLaunchDescription,
    OpaqueFunction,
    TimerAction,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource

from mtshare_ros.file_paths import share_directory


def arguments() -> list[LaunchDescriptionEntity]:
    """Return the arguments of the player, beside those of perception.launch.py."""
    return [
        DeclareLaunchArgument(
            'bag', description='Folder or file of the bag to play. Its image topic is given by '
                               'image:=, as for perception.launch.py.'),
        DeclareLaunchArgument(
            'rate', default_value='1.0', description='Speed of playing; 0.5 is half as fast.'),
        DeclareLaunchArgument(
            'loop', default_value='false', choices=['true', 'false'],
            description='Start again at the end of the bag.'),
        DeclareLaunchArgument(
            'start_offset', default_value='0.0',
            description='Seconds to skip at the beginning of the bag.'),
        DeclareLaunchArgument(
            'delay', default_value='8.0',
            description='Seconds to wait before playing, while the node loads its model.'),
    ]


def player_command(values: dict[str, str]) -> list[str]:
    """Return the command that plays the bag and publishes its clock."""
    command = [
        'ros2', 'bag', 'play', values['bag'], '--clock', '--rate', values['rate'],
        '--start-offset', values['start_offset'], '--disable-keyboard-controls',
    ]
    return [*command, '--loop'] if values['loop'] == 'true' else command


def start_player(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Return the player, which comes with the package ros2bag; it waits for the node."""
    values = context.launch_configurations
    player = ExecuteProcess(cmd=player_command(values), name='bag_player', output='screen')
    # Not with --delay, which would wait again in every loop.
    return [TimerAction(period=float(values['delay']), actions=[player])]


def generate_launch_description() -> LaunchDescription:
    """Return perception.launch.py on simulated time, and the player of the bag."""
    perception = share_directory() / 'launch' / 'perception.launch.py'
    return LaunchDescription([
        *arguments(),
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(str(perception)),
            launch_arguments=[('use_sim_time', 'true')]),
        # After the inclusion, which sets the DDS profile for the player too.
        OpaqueFunction(function=start_player),
    ])
