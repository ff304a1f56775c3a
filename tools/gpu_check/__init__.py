"""Checks of the package on a GPU: correct outputs, times, and estimates for other boards."""
