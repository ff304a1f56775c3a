"""The network of a stage: where its weights come from, and which of them learn."""

from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from mtshare_ros.model.load_report import LoadReport
from mtshare_ros.model.manifest import find_model
from mtshare_ros.model.network import build_model, MultiTaskNetwork
from mtshare_ros.model.pretrained import load_initial_weights
from mtshare_ros.training.delta_weights import attach_gates, attach_support, DeltaGates
from mtshare_ros.training.recipe import StageRun
from mtshare_ros.training.stages import SUB


@dataclass(frozen=True)
class Prepared:
    """
    A stage's network as it starts, and the gates of its deltas where it learns some.

    ``initial`` says what the recipe's initial weights gave, None where there are none or where the
    stage goes on from another.
    """

    network: MultiTaskNetwork
    gates: DeltaGates | None
    initial: LoadReport | None


def prepare_network(run: StageRun, label_count: int, source: Path | None) -> Prepared:
    """
    Make the network of a stage and choose what of it learns.

    Weights come from the recipe's initial ones and then from the model ``source`` of the stage
    that this one goes on from. Raises ModelError where a file does not fit.
    """
    architecture = replace(run.recipe.architecture, shared_blocks=run.shared_blocks)
    network = build_model(architecture, run.tasks, label_count)
    initial = None
    if run.recipe.initial:
        initial = load_initial_weights(network, _initial_path(run.recipe.initial))
    if source is not None:
        load_initial_weights(network, source)
        initial = None
    gates = None
    if run.stage.learns_support:
        gates = attach_gates(network, run.task, run.plan.delta)
    elif run.stage.role == SUB:
        attach_support(network, run.task)
    _choose_what_learns(network, run)
    return Prepared(network, gates, initial)


def _initial_path(initial: str) -> Path:
    """Return the file of a model by name or path, or a folder of public weights."""
    path = Path(initial).expanduser()
    return path if path.is_dir() and (path / 'config.json').is_file() else \
        find_model(initial).path


def set_modes(network: MultiTaskNetwork, run: StageRun) -> None:
    """
    Bring batch norms and gates into the mode of the stage.

    What is frozen stays as it will run; on films everything does, because a difference that comes
    from statistics of the batch would count as a change of the scene.
    """
    network.train(run.stage.role != SUB and not run.stage.films and not run.stage.kept_features)
    if run.stage.kept_features:
        network.heads.train()
    if run.stage.frozen_stem:
        network.stem.eval()
    if run.stage.role == SUB:
        network.branches[run.task].train()
        network.heads[run.task].train(not run.stage.films)


def _choose_what_learns(network: MultiTaskNetwork, run: StageRun) -> None:
    """Let a sub-task learn its deltas and its head; norms of its blocks stay the base's."""
    network.requires_grad_(run.stage.role != SUB and not run.stage.kept_features)
    if run.stage.kept_features:
        network.heads.requires_grad_(True)
    if run.stage.frozen_stem:
        network.stem.requires_grad_(False)
    if run.stage.role == SUB:
        network.heads[run.task].requires_grad_(True)
        for block in network.own_blocks(run.task):
            for module in block.modules():
                if isinstance(module, nn.Linear):
                    module.parametrizations.requires_grad_(True)
