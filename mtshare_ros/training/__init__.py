"""Training: losses per task, one trainer, configuration in config/train/."""
