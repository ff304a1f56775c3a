"""The architecture of a network small enough for any test."""

from mtshare_ros.model.architecture import ArchitectureConfig

TINY = ArchitectureConfig(embed_dim=32, depth=2, num_heads=2, stem_channels=(8, 16, 16),
                          head_channels=8, head_depth=1, input_size=(96, 128))
