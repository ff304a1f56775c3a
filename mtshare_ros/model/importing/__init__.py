"""Public weights in local files, brought to the names and shapes of this package."""
