"""Frames on a GPU: on lists of fixed lengths, captured as CUDA graphs; loaded only there."""
