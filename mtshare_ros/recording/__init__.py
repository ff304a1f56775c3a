"""
Bags, image files, videos and cameras without ROS.

A bag is read by ``bag`` from its files (``bag_folder``, ``mcap_storage``, ``sqlite3_storage``).
``segment_run`` decodes its images (``bag_messages``), computes their maps (``frames``) and makes
messages of these (``bag_messages``), segment by segment; ``bag_run`` writes them into a
``segmented_bag``. What is to be done is in a ``bag_plan``. Other frames come from
``frame_sources`` and become ``map_files``. Both can show what they do in ``previews``.
"""
