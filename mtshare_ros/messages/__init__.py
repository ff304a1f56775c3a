"""ROS messages as arrays and numbers, by their fields alone: no ROS library is imported."""
