"""The ROS 2 nodes; the only code of the package that imports rclpy or message packages."""
