"""
The dashboard: a page in the browser that shows a perception node and sets its parameters.

Two threads: the executor's does everything of ROS, the server's everything of the web. They hand
each other functions: ``RosInbox`` runs those of the web thread in the executor, and
``WebServer.post`` runs those of the executor in the web thread.
"""
