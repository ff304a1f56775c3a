"""What a fleet counts of its frames and shows on its page."""
