"""Recorded input and output: bags, image files, videos; free of ROS."""
