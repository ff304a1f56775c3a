"""The command ``mtshare``: what people type and read."""
