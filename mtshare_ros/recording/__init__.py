"""
Bags, image files, videos and cameras without ROS.

A ``recording`` is read by ``bag`` from the files of a bag (``bag_folder``, ``mcap_storage``,
``sqlite3_storage``), or by ``frame_bag`` from a video or images (``video_source``,
``frame_sources``). ``segments`` finds its segments in its index. ``segment_run`` decodes the
images (``bag_messages``), computes their maps (``frames``) and makes messages of these
(``bag_messages``), segment by segment; ``bag_run`` writes them into a ``segmented_bag``. What is
to be done is in a ``bag_plan``; ``recorded_poses`` tells where the camera was. Frames that are no
bag can also become ``map_files``. Both can show what they do in ``previews``.
"""
