"""Start the perception node for one or several cameras; it configures and activates itself."""

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from mtshare_ros.file_paths import share_directory
from mtshare_ros.nodes.node_environment import node_environment

BOOLEANS = ('true', 'false')
INPUTS = ('image', 'camera_info')


def arguments() -> list[LaunchDescriptionEntity]:
    """Return the launch arguments; an empty default leaves the choice to the parameter file."""
    return [
        *topic_arguments(), *video_arguments(), *node_arguments(), *process_arguments()]


def video_arguments() -> list[LaunchDescriptionEntity]:
    """Return the arguments of the video camera node."""
    return [
        DeclareLaunchArgument(
            'video', default_value='',
            description='Publish this as image: a video file, a folder of images, the number of a '
                        'webcam, or the address of a stream. Empty: another node publishes '
                        'the images.'),
        DeclareLaunchArgument(
            'video_rate', default_value='0.0',
            description='Images of video published in a second; 0.0: its own rate.'),
        DeclareLaunchArgument(
            'camera_info_url', default_value='',
            description='Calibration file of the camera of video, as camera_calibration writes '
                        'it.'),
        DeclareLaunchArgument(
            'field_of_view', default_value='0.0',
            description='Horizontal angle of the camera of video in degrees, in place of a '
                        'calibration; 0.0: unknown.'),
    ]


def topic_arguments() -> list[LaunchDescriptionEntity]:
    """Return the arguments that choose the topics of images and outputs."""
    return [
        DeclareLaunchArgument(
            'namespace', default_value='',
            description='Namespace of the node and its topics.'),
        DeclareLaunchArgument(
            'cameras', default_value='',
            description='Names of several cameras, separated by commas, such as front,rear: one '
                        'node and one network for all, topics front/image, front/depth/image, ... '
                        'Empty: as in params_file.'),
        DeclareLaunchArgument(
            'image', default_value='image',
            description='Topic of the camera images; with several cameras the part after the '
                        'name of the camera.'),
        DeclareLaunchArgument(
            'camera_info', default_value='camera_info',
            description='Topic of the camera calibration; with several cameras as for image.'),
        DeclareLaunchArgument(
            'image_transport', default_value='', choices=['', 'raw', 'compressed'],
            description='compressed: the images come as JPEG or PNG on <image>/compressed; empty: '
                        'as in params_file.'),
        DeclareLaunchArgument(
            'compressed_image', default_value='',
            description='Topic of compressed images that is not called <image>/compressed; with '
                        'several cameras as for image. It chooses image_transport:=compressed.'),
    ]


def node_arguments() -> list[LaunchDescriptionEntity]:
    """Return the arguments that set parameters of the node."""
    config = share_directory() / 'config'
    return [
        DeclareLaunchArgument(
            'params_file', default_value=str(config / 'perception.yaml'),
            description='Parameter file of the perception node.'),
        DeclareLaunchArgument(
            'model', default_value='',
            description='Name of a model (mtshare models list) or path of a checkpoint; empty: '
                        'as in params_file.'),
        DeclareLaunchArgument(
            'device', default_value='',
            description='auto, cpu, cuda or cuda:<number>; empty: as in params_file.'),
        DeclareLaunchArgument(
            'autostart', default_value='', choices=['', *BOOLEANS],
            description='Configure and activate at once; empty: as in params_file.'),
        DeclareLaunchArgument(
            'use_sim_time', default_value='false', choices=BOOLEANS,
            description='Take the time from /clock, as a bag or a simulator publishes it.'),
    ]


def process_arguments() -> list[LaunchDescriptionEntity]:
    """Return the arguments for other processes, and for how the node is run."""
    return [
        DeclareLaunchArgument(
            'rviz', default_value='false', choices=BOOLEANS,
            description='Show the outputs in rviz2.'),
        DeclareLaunchArgument(
            'dashboard', default_value='false', choices=BOOLEANS,
            description='Show outputs, parameters and diagnostics in the browser, at '
                        'http://localhost:8080.'),
        DeclareLaunchArgument(
            'log_level', default_value='info',
            choices=['debug', 'info', 'warn', 'error', 'fatal'],
            description='Least severity that is logged.'),
        DeclareLaunchArgument(
            'respawn', default_value='false', choices=BOOLEANS,
            description='Start the node again when it ends by itself.'),
    ]


def camera_names(values: dict[str, str]) -> list[str]:
    """Return the names of several cameras; one camera has none."""
    return [name.strip() for name in values['cameras'].split(',') if name.strip()]


def compressed_topic(values: dict[str, str]) -> str:
    """Return the topic of compressed images; its usual name comes from that of the raw ones."""
    image = values['image']
    usual = image if image.endswith('/compressed') else f'{image}/compressed'
    return values['compressed_image'] or usual


def image_transport(values: dict[str, str]) -> str:
    """Return the image transport, empty where the parameter file sets it."""
    if not values['compressed_image']:
        return values['image_transport']
    if values['image_transport'] == 'raw':
        raise ValueError(
            f'compressed_image:={values["compressed_image"]} names a topic of compressed images, '
            f'but image_transport is raw: leave one of them out')
    return 'compressed'


def remappings(values: dict[str, str]) -> list[tuple[str, str]]:
    """Return the remappings of the input topics, for each camera."""
    topics = [*((name, values[name]) for name in INPUTS),
              ('image/compressed', compressed_topic(values))]
    cameras = camera_names(values)
    absolute = next((name for name in (*INPUTS, 'compressed_image')
                     if values[name].startswith('/')), None)
    if cameras and absolute:
        raise ValueError(
            f'{absolute}:={values[absolute]} begins with a slash, but there are several cameras '
            f'({", ".join(cameras)}): give the part after the name of the camera, such as '
            f'{absolute}:=image_raw for {cameras[0]}/image_raw')
    prefixes = [f'{camera}/' for camera in cameras] or ['']
    return [(prefix + name, prefix + topic) for prefix in prefixes for name, topic in topics]


def video_camera(values: dict[str, str]) -> list[LaunchDescriptionEntity]:
    """Return the camera node of a video, on the topics that the perception node listens to."""
    if not values['video']:
        return []
    if camera_names(values) or image_transport(values) == 'compressed':
        other = 'cameras' if camera_names(values) else 'compressed images'
        raise ValueError(f'video:={values["video"]} is one camera of raw images: leave the '
                         f'arguments for {other} out')
    texts = {name: ParameterValue(values[name], value_type=str)
             for name in ('video', 'camera_info_url')}
    return [Node(
        package='mtshare_ros', executable='video_camera_node', namespace=values['namespace'],
        parameters=[{
            **texts, 'rate': float(values['video_rate']),
            'field_of_view': float(values['field_of_view']),
            'use_sim_time': values['use_sim_time'] == 'true'}],
        remappings=remappings(values),
        ros_arguments=['--log-level', values['log_level']], output='screen', emulate_tty=True,
    )]


def overrides(values: dict[str, str]) -> dict[str, str | bool | list[str]]:
    """Return the parameters that launch arguments set over the parameter file."""
    parameters: dict[str, str | bool | list[str]] = {
        'use_sim_time': values['use_sim_time'] == 'true'}
    given = {**values, 'image_transport': image_transport(values)}
    parameters.update({
        name: given[name] for name in ('model', 'device', 'image_transport') if given[name]})
    if camera_names(values):
        parameters['cameras'] = camera_names(values)
    if values['autostart']:
        parameters['autostart'] = values['autostart'] == 'true'
    return parameters


def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Return the actions for the arguments given."""
    values = context.launch_configurations
    perception = Node(
        package='mtshare_ros', executable='perception_node', namespace=values['namespace'],
        parameters=[values['params_file'], overrides(values)],
        remappings=remappings(values),
        ros_arguments=['--log-level', values['log_level']], output='screen', emulate_tty=True,
        respawn=values['respawn'] == 'true', respawn_delay=1.0,
    )
    rviz = Node(
        package='rviz2', executable='rviz2', namespace=values['namespace'],
        arguments=['-d', str(share_directory() / 'config' / 'perception.rviz')],
        parameters=[{'use_sim_time': values['use_sim_time'] == 'true'}],
        remappings=remappings(values),
    )
    dashboard = Node(
        package='mtshare_ros', executable='dashboard_node', namespace=values['namespace'],
        parameters=[{'cameras': camera_names(values)} if camera_names(values) else {}],
        remappings=remappings(values), output='screen', emulate_tty=True,
    )
    viewers = {'rviz': rviz, 'dashboard': dashboard}
    variables = node_environment(context.environment)
    return [
        *(SetEnvironmentVariable(name, value) for name, value in variables.items()),
        perception, *video_camera(values),
        *(node for name, node in viewers.items() if values[name] == 'true'),
    ]


def generate_launch_description() -> LaunchDescription:
    """Return the perception node and, if wanted, rviz2, the dashboard and a video camera."""
    return LaunchDescription([*arguments(), OpaqueFunction(function=start)])
