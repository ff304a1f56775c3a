"""
Bags, image files, videos and cameras without ROS.

A bag is read by ``bag`` from its files (``bag_folder``, ``mcap_storage``, ``sqlite3_storage``).
``bag_run`` decodes its images (``bag_messages``), computes their maps (``frames``), makes messages
of these (``bag_messages``) and writes them into a ``segmented_bag``. What it is to do is in a
``bag_plan``. Other frames come from ``frame_sources`` and become ``map_files``. Both can show what
they do in ``previews``.
"""
