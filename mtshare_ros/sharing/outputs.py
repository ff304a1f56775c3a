"""Every task's head, on the patches it has to decode."""

import torch

from mtshare_ros.sharing.dirty_cells import ChangedPatches
from mtshare_ros.sharing.frame import Frame
from mtshare_ros.sharing.head import HeadUpdate
from mtshare_ros.sharing.members import EncoderRun, EncoderRuns


def run_outputs(frame: Frame, encoders: EncoderRuns) -> dict[str, HeadUpdate]:
    """Renew the raw outputs of the asked tasks; note for the others what they miss."""
    transformer, stale = frame.runners.transformer, frame.state.outputs
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
            # equal ones share what heads work out from them
            known[key] = next(filter(patches.equals, known.values()), patches)
        dirty[task] = known[key]
    return dirty


def _changed(
    frame: Frame, lists: list[torch.Tensor | None], whole: ChangedPatches
) -> ChangedPatches:
    """Return the patches that heads see change and listed patches (n,), None for all."""
    mask = frame.plan.changed
    if mask is None or any(patches is None for patches in lists):
        return whole
    if not frame.state.stem.feeds_heads:
        mask = torch.zeros_like(mask)
    for patches in lists:
        mask = mask.index_fill(0, patches, True)
    return ChangedPatches(frame.state.stem, mask)


def _grow_young(frame: Frame, task: str, number: int, run: EncoderRun) -> None:
    """Set back the ages of the patches that ran ungated through blocks and head."""
    ages, shared = frame.state.ages[1 + number], frame.state.ages[0]
    if frame.whole and all(patches == frame.patch_count for patches in run.computed):
        ages.zero_()
    elif frame.state.outputs.is_cold(number):
        ages.copy_(shared)
    elif frame.plan.due is not None:
        ages.masked_fill_(frame.plan.due, 0)
    old = frame.overdue(task)
    if old is not None:
        torch.where(old, shared, ages, out=ages)


def _decode(frame: Frame, task: str, number: int, patches: ChangedPatches) -> HeadUpdate:
    state, stale = frame.state, frame.state.outputs
    if patches.mask is None:
        stale.complete(number)
    elif stale.is_behind(number):
        old = frame.overdue(task)
        changed = patches.mask if old is None else patches.mask | old
        patches = ChangedPatches(state.stem, stale.catch_up(number, changed))
    inputs = frame.runners.transformer.head_inputs(state.transformer, task, state.stem)
    return frame.runners.heads[task].update(
        state.heads[task], inputs, patches, frame.thresholds.heads[task])
