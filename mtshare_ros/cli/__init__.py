"""The command line, ``mtshare``."""
