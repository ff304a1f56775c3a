"""Thousands of recordings on many workers, over Ray; nothing that runs on the robot imports it."""
