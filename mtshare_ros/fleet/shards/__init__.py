"""Shards: files of images and maps, one for each segment, for the training of networks."""
