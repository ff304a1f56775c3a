"""
The dashboard: a page in the browser that shows a perception node and sets its parameters.

Two threads: everything of ROS happens in the executor's, everything of the web in the server's.
They meet in two places: ``RosInbox`` runs functions of the web thread in the executor,
``WebServer.post`` runs functions of the executor in the web thread.
"""
