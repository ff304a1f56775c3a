"""The decode heads of a network, and what they read."""

from dataclasses import dataclass
from typing import Callable, Iterable

import torch
from torch import nn
from torch.nn import functional

from mtshare_ros.model.architecture import (
    ArchitectureConfig,
    DPT,
    GEOMETRY,
    HeadConfig,
    LINEAR,
    LOCAL,
)
from mtshare_ros.model.backbone import conv_norm_act, StemFeatures
from mtshare_ros.tasks import channels_of, get_task, ordered

BINS_FLOOR = 0.1
"""
Added to every bin before the bins are divided by their sum, as in DINOv2's depth heads.

A head with another floor is imported by scaling its last layer: the shares stay the same when
layer and floor are scaled by one factor.
"""


@dataclass(frozen=True)
class HeadInput:
    """
    The tokens a head reads, and the stem's features.

    ``taps`` are the patches' tokens (B, D, rows, columns) after each block that the head taps,
    ``prefix`` the class and register tokens (B, P, D) there.
    """

    taps: tuple[torch.Tensor, ...]
    prefix: tuple[torch.Tensor, ...]
    stem: StemFeatures


def finish_depth(raw: torch.Tensor, config: HeadConfig) -> torch.Tensor:
    """
    Return the raw output (B, 1, h, w) of a depth head for its last layer (B, C, h, w).

    With bins it is their weighted mean. Without bins, metres are a sigmoid times the farthest
    depth, and a negative disparity becomes 0. Other encodings are not changed.
    """
    if config.bins:
        return _expectation(raw, config)
    if config.encoding == 'metres':
        return raw.sigmoid() * config.depth_range[1]
    return functional.relu(raw) if config.encoding == 'disparity' else raw


def _expectation(logits: torch.Tensor, config: HeadConfig) -> torch.Tensor:
    near, far = config.depth_range
    centres = torch.linspace(near, far, config.bins, device=logits.device, dtype=logits.dtype)
    shares = functional.relu(logits) + BINS_FLOOR
    weighted = torch.einsum('bkhw,k->bhw', shares, centres)
    return (weighted / shares.sum(dim=1))[:, None]


class DecodeHead(nn.Module):
    """
    Computes one task's raw output, 4x4 pixels for each patch, from tokens and stem features.

    Every level is projected and rearranged to these pixels (pixel shuffle), summed, and refined by
    3x3 convolutions. All of it is local, so a patch whose neighbourhood did not change keeps its
    output.
    """

    def __init__(self, config: ArchitectureConfig, head: HeadConfig, outputs: int) -> None:
        super().__init__()
        self.side = config.side_of(head)
        width, tokens = head.channels, config.embed_dim * max(1, len(head.taps))
        if head.hidden:
            self.mix = nn.Conv2d(tokens, head.hidden, 1)
        self.from_tokens = nn.Conv2d(head.hidden or tokens, width * self.side ** 2, 1)
        if config.stem == 'conv':
            _, quarter, eighth = config.stem_channels
            self.from_eighth = nn.Conv2d(eighth, width * 4, 1, bias=False)
            self.from_quarter = nn.Conv2d(quarter, width, 1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.refine = nn.Sequential(*(conv_norm_act(width, width) for _ in range(head.depth)))
        self.predict = nn.Conv2d(width, outputs, 1)

    def forward(self, given: HeadInput) -> torch.Tensor:
        """Return (B, outputs, rows x side, columns x side)."""
        tokens = given.taps[0] if len(given.taps) == 1 else torch.cat(given.taps, dim=1)
        if hasattr(self, 'mix'):
            tokens = functional.gelu(self.mix(tokens))
        merged = functional.pixel_shuffle(self.from_tokens(tokens), self.side)
        if given.stem.eighth is not None:
            merged = merged + functional.pixel_shuffle(self.from_eighth(given.stem.eighth), 2)
        if given.stem.quarter is not None:
            merged = merged + self.from_quarter(given.stem.quarter)
        return self.predict(self.refine(functional.relu(self.norm(merged))))


class LinearHead(nn.Module):
    """
    Applies one matrix to the taps of a patch, and one to their class tokens if it reads them.

    The class tokens add the same to every patch. A patch's output depends on no other patch,
    except where it is enlarged before bins become metres: then on its eight neighbours.
    """

    def __init__(self, config: ArchitectureConfig, head: HeadConfig, outputs: int) -> None:
        super().__init__()
        self.config, self.side = head, config.side_of(head)
        inputs, width = config.embed_dim * max(1, len(head.taps)), head.bins or outputs
        self.from_tokens = nn.Conv2d(inputs, width, 1)
        if head.class_token:
            self.from_class = nn.Linear(inputs, width, bias=False)

    def forward(self, given: HeadInput) -> torch.Tensor:
        """Return (B, outputs, rows x side, columns x side)."""
        logits = self.from_tokens(torch.cat(given.taps, dim=1))
        if self.config.class_token:
            tokens = torch.cat([rows[:, 0] for rows in given.prefix], dim=1)
            logits = logits + self.from_class(tokens)[:, :, None, None]
        if self.side > 1:
            # enlarging the tokens before the matrix gives the same, at many times the cost
            logits = functional.interpolate(
                logits, scale_factor=self.side, mode='bilinear', align_corners=False)
        return finish_depth(logits, self.config)


def build_heads(
    config: ArchitectureConfig, tasks: Iterable[str], label_count: int
) -> dict[str, nn.Module]:
    """
    Return the head of every task that has weights of its own, in canonical order.

    Its forward takes a ``HeadInput`` and returns the raw output (B, C, rows x side,
    columns x side), C being 1 for heads that make metres of bins.
    """
    heads = ((task, config.head_of(task)) for task in ordered(tasks))
    return {
        task: _class_of(head.kind)(config, head, channels_of(get_task(task), label_count))
        for task, head in heads if head.kind != GEOMETRY
    }


def _class_of(kind: str) -> Callable[[ArchitectureConfig, HeadConfig, int], nn.Module]:
    if kind == DPT:
        # imported here, because only models with public dense heads have one
        from mtshare_ros.model.dpt_head import DptHead

        return DptHead
    return {LOCAL: DecodeHead, LINEAR: LinearHead}[kind]
