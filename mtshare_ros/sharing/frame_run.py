"""The part of a frame after the shared blocks: the encoders' own blocks, and the heads."""

from typing import Iterable, Sequence

import torch

from mtshare_ros.sharing.active_tokens import ActiveTokens
from mtshare_ros.sharing.camera_cache import Frame
from mtshare_ros.sharing.frame_work import EncoderRun, EncoderRuns
from mtshare_ros.sharing.gates import BlockThresholds
from mtshare_ros.sharing.head import ChangedPatches, HeadUpdate
from mtshare_ros.sharing.transformer import StageRun


def run_encoders(frame: Frame, shared: StageRun) -> EncoderRuns:
    """Run the own blocks of the encoders that a frame needs, after the shared blocks."""
    before = _encoder_run(frame, shared, 0)
    if not frame.runners.transformer.own:
        return EncoderRuns({0: before}, 0, before)
    needed = frame.encoders()
    stale = frame.state.stale_in_encoders
    _leave_out(frame, shared.active.patches_of(0), needed)
    reusing = not frame.plan.exact and any(item.task is not None for item in frame.thresholds.own)
    # a whole frame computes every token, except where the tasks' gate may reuse some
    cold = [encoder for encoder in needed
            if stale.is_cold(encoder) or (frame.whole and not reusing)]
    others = [encoder for encoder in needed if encoder not in cold]
    stages = []
    if cold:
        stages.append((cold, _compute_all(frame, cold)))
    if others:
        stages.append((others, _compute_some(frame, others, shared.active)))
    runs = {encoder: _joined(before, _encoder_run(frame, run, encoder))
            for encoders, run in stages for encoder in encoders}
    return EncoderRuns(runs, sum(run.macs for _, run in stages), before)


def _leave_out(frame: Frame, survivors: torch.Tensor, needed: Sequence[int]) -> None:
    """Record for the encoders that this frame does not run which patches changed."""
    for encoder in range(len(frame.runners.transformer.encoders)):
        if encoder in needed:
            continue
        if frame.whole:
            frame.state.stale_in_encoders.freeze(encoder)
        else:
            changed = _mask(frame, survivors)
            frame.state.stale_in_encoders.defer(encoder, changed, frame.settings.max_age)


def _compute_all(frame: Frame, encoders: Iterable[int]) -> StageRun:
    """Compute every patch of cold encoders."""
    every = frame.every
    lists = {encoder: every for encoder in encoders}
    for encoder in encoders:
        frame.state.stale_in_encoders.complete(encoder)
    return _run(frame, lists, None, None)


def _compute_some(frame: Frame, encoders: Iterable[int], shared: ActiveTokens) -> StageRun:
    """Gate or reuse the tokens that left the shared blocks."""
    forced, survivors = frame.plan.due, shared.patches_of(0)
    lists = {}
    for encoder in encoders:
        if not frame.state.stale_in_encoders.is_behind(encoder):
            lists[encoder] = survivors
            continue
        old = _overdue(frame, encoder)
        changed = frame.state.stale_in_encoders.catch_up(encoder, _mask(frame, survivors) | old)
        lists[encoder] = changed.nonzero()[:, 0]
        forced = old if forced is None else forced | old
    if not shared.total:
        # an encoder without a changed patch need not compute its prefix tokens either
        lists = {encoder: patches for encoder, patches in lists.items() if patches.shape[0]}
    thresholds = frame.thresholds.own
    if frame.whole:
        # a whole frame refreshes every token: nothing is gated in time, only reuse may act
        thresholds = tuple(BlockThresholds(None, item.task) for item in thresholds)
    return _run(frame, lists, thresholds, forced)


def _overdue(frame: Frame, encoder: int) -> torch.Tensor:
    """Return the patches (N,) bool that an encoder which missed frames must refresh."""
    transformer = frame.runners.transformer
    oldest = _mask(frame, None)
    for task in frame.tasks:
        old = frame.overdue(task) if transformer.number_of(task) == encoder else None
        oldest = oldest if old is None else oldest | old
    return oldest


def _mask(frame: Frame, patches: torch.Tensor | None) -> torch.Tensor:
    """Return patches (n,), or no patches for None, as a mask (N,)."""
    mask = torch.zeros(frame.patch_count, dtype=torch.bool, device=frame.state.ages.device)
    return mask if patches is None else mask.index_fill_(0, patches, True)


def _run(
    frame: Frame, lists: dict[int, torch.Tensor], thresholds: Sequence[BlockThresholds] | None,
    forced: torch.Tensor | None,
) -> StageRun:
    transformer, state = frame.runners.transformer, frame.state.transformer
    patches = [lists.get(encoder) for encoder in range(len(transformer.encoders))]
    active = transformer.active_tokens(state, patches, forced)
    return transformer.run_own(state, active, thresholds)


def _encoder_run(frame: Frame, run: StageRun, encoder: int) -> EncoderRun:
    """Return one encoder's part of what its blocks did."""
    tapped = {block: _patches(frame, active, encoder) for block, active in run.tapped.items()}
    reused = None
    if run.reused is not None:
        start = encoder * run.active.token_count
        own = (run.reused >= start) & (run.reused < start + run.active.token_count)
        reused = run.reused[own] - start
    passed, computed = (tuple(item[encoder] for item in items)
                        for items in (run.passed, run.computed))
    return EncoderRun(_patches(frame, run.active, encoder), passed, computed, tapped, reused)


def _patches(frame: Frame, active: ActiveTokens, encoder: int) -> torch.Tensor | None:
    """Return the active patches (n,) of an encoder, None where all are active."""
    everything = active.patch_counts[encoder] == frame.patch_count
    return None if everything else active.patches_of(encoder)


def _joined(shared: EncoderRun, own: EncoderRun) -> EncoderRun:
    return EncoderRun(own.survivors, shared.passed + own.passed, shared.computed + own.computed,
                      {**shared.tapped, **own.tapped}, own.reused)


def run_outputs(frame: Frame, encoders: EncoderRuns) -> dict[str, HeadUpdate]:
    """Update the raw outputs of the requested tasks; record stale tokens of the others."""
    transformer, stale = frame.runners.transformer, frame.state.stale_in_heads
    whole, outputs = ChangedPatches(frame.state.stem), {}
    dirty = _dirty_patches(frame, encoders, whole)
    for number, task in enumerate(frame.runners.tasks):
        patches = dirty[task]
        if task in frame.tasks:
            _grow_young(frame, task, number, encoders.runs[transformer.number_of(task)])
            patches = whole if stale.is_cold(number) else patches
            outputs[task] = _decode(frame, task, number, patches)
        elif patches.mask is None:
            stale.freeze(number)
        else:
            stale.defer(number, patches.mask, frame.settings.max_age)
    return outputs


def _dirty_patches(
    frame: Frame, encoders: EncoderRuns, whole: ChangedPatches
) -> dict[str, ChangedPatches]:
    """Return for every task the patches whose pixels, or tokens at one of its taps, changed."""
    transformer = frame.runners.transformer
    known: dict[tuple[int, tuple[int, ...]], ChangedPatches] = {}
    dirty = {}
    for task in frame.runners.tasks:
        encoder, blocks = transformer.number_of(task), transformer.taps.blocks_of(task)
        key = encoder, blocks
        if key not in known:
            tapped = encoders.tapped(encoder)
            patches = _changed(frame, [tapped[at] for at in blocks if at in tapped], whole)
            # heads with equal patches then share their plans
            known[key] = next(filter(patches.equals, known.values()), patches)
        dirty[task] = known[key]
    return dirty


def _changed(
    frame: Frame, lists: list[torch.Tensor | None], whole: ChangedPatches
) -> ChangedPatches:
    """Return the patches of lists (n,), None for all, and those whose pixels heads read."""
    mask = frame.plan.changed
    if mask is None or any(patches is None for patches in lists):
        return whole
    if not frame.state.stem.feeds_heads:
        mask = torch.zeros_like(mask)
    for patches in lists:
        mask = mask.index_fill(0, patches, True)
    return ChangedPatches(frame.state.stem, mask)


def _grow_young(frame: Frame, task: str, number: int, run: EncoderRun) -> None:
    """Reset the ages of the patches that passed blocks and head ungated."""
    ages, shared = frame.state.ages[1 + number], frame.state.ages[0]
    if frame.whole and all(patches == frame.patch_count for patches in run.computed):
        ages.zero_()
    elif frame.state.stale_in_heads.is_cold(number):
        # a cold head computes every patch, from tokens as old as those of the shared blocks
        ages.copy_(shared)
    elif frame.plan.due is not None:
        ages.masked_fill_(frame.plan.due, 0)
    old = frame.overdue(task)
    if old is not None:
        torch.where(old, shared, ages, out=ages)


def _decode(frame: Frame, task: str, number: int, patches: ChangedPatches) -> HeadUpdate:
    state, stale = frame.state, frame.state.stale_in_heads
    if patches.mask is None:
        stale.complete(number)
    elif stale.is_behind(number):
        old = frame.overdue(task)
        changed = patches.mask if old is None else patches.mask | old
        patches = ChangedPatches(state.stem, stale.catch_up(number, changed))
    inputs = frame.runners.transformer.head_inputs(state.transformer, task, state.stem)
    return frame.runners.heads[task].update(
        state.heads[task], inputs, patches, frame.thresholds.heads[task])
