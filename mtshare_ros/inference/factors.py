"""Factors on thresholds, brought from tasks that are worked out to those that the network has."""

from dataclasses import replace
from typing import Mapping, Sequence

from mtshare_ros.sharing.settings import SharingSettings


def carry_factors(
    sharing: SharingSettings, sources: Mapping[str, Sequence[str]]
) -> SharingSettings:
    """
    Return settings in which tasks are gated as strictly as what is worked out from them asks for.

    ``sources`` are by asked task the tasks of the network it is made of, itself where it is one.
    """
    if not (sharing.temporal_factors or sharing.task_factors):
        return sharing
    users: dict[str, list[str]] = {}
    for task, made_of in sources.items():
        for source in made_of:
            users.setdefault(source, []).append(task)
    return replace(
        sharing,
        temporal_factors=_carried(sharing.temporal_factors, sharing.temporal_factor, users),
        task_factors=_carried(sharing.task_factors, sharing.task_factor, users))


def _carried(
    own: Mapping[str, float], usual: float, users: Mapping[str, Sequence[str]]
) -> dict[str, float]:
    return {**own, **{source: min(own.get(task, usual) for task in tasks)
                      for source, tasks in users.items()}}
