"""Frames on a GPU: lists of fixed lengths, captured as CUDA graphs; imported only there."""
