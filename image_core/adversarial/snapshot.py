"""The content of a checkpoint: weights, optimizers, random-number states, counts."""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from image_core.adversarial import checkpoint, parallel, randomness, sharding
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import outsiders


class State(NamedTuple):
    """The complete state of a run, as objects and plain values.

    Args:
        game: Networks and buffers.
        ema: Weight averages, by name of the submodule.
        optimizers: Optimizers, by player.
        schedules: Learning-rate schedules, by player.
        device: Device whose random-number state is saved.
        round: Number of rounds played.
        drawn: Number of batches drawn.
        steps: Number of optimizer steps, by player.
        notes: Plain values of a recipe.
    """

    game: nn.Module
    ema: Mapping[str, nn.Module]
    optimizers: Mapping[str, Optimizer]
    schedules: Mapping[str, LRScheduler]
    device: torch.device
    round: int
    drawn: int
    steps: dict[str, int]
    notes: dict[str, Any]


# ------------------------------------------------------------------------------------------ saving


def save(state: State, folder: Path) -> None:
    """Write `game.safetensors`, `ema.*.safetensors`, `optim.pt`, `rng.*.pt` and `state.json`.

    Args:
        state: State of the run.
        folder: Folder of the checkpoint.

    Raises:
        UserError: The disk is full, or the folder is not writable.
    """
    rank, processes = parallel.world()
    rng = {k: parallel.gather(each) for k, each in randomness.states(state.device).items()}
    content = _content(state)
    failure: Exception | None = None
    try:
        if rank == 0:
            _write(state, folder, content, rng, processes)
    except Exception as error:  # the other processes must be notified of any failure
        failure = error
    succeeded = parallel.all_succeeded(failure is None)
    if failure is not None:
        raise failure
    if not succeeded:
        raise UserError(f"{folder} was not written; see the message of the first process")


def _content(state: State) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Gathered weights and optimizer states; weights that are not sharded stay in the game."""
    weights = None
    if sharding.any_sharded(state.game):
        weights = sharding.whole(state.game.state_dict())
        for name in sharding.twins(state.game):
            del weights[name]  # stored once, as whole weights are
    optim = {
        "optimizers": {n: sharding.whole(o.state_dict()) for n, o in state.optimizers.items()},
        "schedules": {n: s.state_dict() for n, s in state.schedules.items()},
    }
    return weights, optim


def _write(
    state: State,
    folder: Path,
    content: tuple[dict[str, Any] | None, dict[str, Any]],
    rng: dict[str, list[torch.Tensor]],
    processes: int,
) -> None:
    weights, optim = content
    with checkpoint.writing(folder) as place:
        if weights is None:
            checkpoint.save_module(state.game, place / "game.safetensors")
        else:
            sharding.save_weights(weights, place / "game.safetensors")
        for name, average in state.ema.items():
            checkpoint.save_module(average, place / f"ema.{name}.safetensors")
        checkpoint.save_tensors(optim, place / "optim.pt")
        for process in range(processes):
            states = {kind: states[process] for kind, states in rng.items()}
            checkpoint.save_tensors(states, place / f"rng.{process}.pt")
        checkpoint.write_state(place, _counts(state, processes))


def _counts(state: State, processes: int) -> dict[str, Any]:
    counts = {
        "round": state.round,
        "drawn": state.drawn,
        "steps": state.steps,
        "notes": state.notes,
        "processes": processes,
        "optimizers": _kinds(state),
        "versions": {"torch": torch.__version__},
    }
    outside = _fingerprints(state)
    return {**counts, "outsiders": outside} if outside else counts


def _kinds(state: State) -> dict[str, str]:
    return {name: type(optimizer).__name__ for name, optimizer in state.optimizers.items()}


def _fingerprints(state: State) -> dict[str, int]:
    return {name: module.fingerprint() for name, module in outsiders(state.game).items()}


# ----------------------------------------------------------------------------------------- loading


def load(state: State, folder: Path) -> State:
    """Restore a checkpoint of `save`: the objects of `state` in place, its values in the result.

    Everything is checked before anything is copied. Where other processes than now have saved it,
    batches come in the same order, but what each process draws is not what one of them drew.

    Args:
        state: State of a game built with the same options.
        folder: Folder of the checkpoint.

    Raises:
        UserError: The checkpoint is missing, corrupt, or belongs to another game or outsider.
    """
    saved = checkpoint.stable(folder, functools.partial(_read, state, learned_only=False))
    restored = _fill(state, saved)
    for name, optimizer in state.optimizers.items():
        optimizer.load_state_dict(saved.optim["optimizers"][name])
        sharding.shard_optimizer(optimizer)
    for name, schedule in state.schedules.items():
        schedule.load_state_dict(saved.optim["schedules"][name])
    if saved.rng:
        randomness.restore(saved.rng, state.device)
    else:  # a process more than there were: numbers of its own
        randomness.seed_all(saved.counts["round"] * 1009 + parallel.world()[0])
    return restored


def load_learned(state: State, folder: Path) -> State:
    """Restore weights, averages and counts, saved by any number of processes, but no optimizer.

    Args:
        state: State of a game built with the same options.
        folder: Folder of the checkpoint.

    Raises:
        UserError: The checkpoint is missing, corrupt, or belongs to another game or outsider.
    """
    return _fill(
        state, checkpoint.stable(folder, functools.partial(_read, state, learned_only=True))
    )


class _Saved(NamedTuple):
    """A checkpoint as it was read: counts, weights by module, optimizers, random-number states."""

    counts: dict[str, Any]
    weights: dict[str, dict[str, torch.Tensor]]
    optim: dict[str, Any]
    rng: dict[str, torch.Tensor]


def _read(state: State, place: Path, *, learned_only: bool) -> _Saved:
    """Read and check everything; change nothing."""
    counts = checkpoint.read_state(place)
    rank = parallel.world()[0]
    optim: dict[str, Any] = {}
    rng: dict[str, torch.Tensor] = {}
    if not learned_only:
        # On the CPU: an optimizer moves its moments itself and leaves its step counts in place
        optim = checkpoint.load_tensors(place / "optim.pt")
        _check_optim(state, optim, place / "optim.pt", counts.get("optimizers", {}))
        if rank < counts["processes"]:
            rng = checkpoint.load_tensors(place / f"rng.{rank}.pt")
    _check_outsiders(state, counts.get("outsiders", {}), place)
    _check_averages(state, place, learned_only=learned_only)
    weights = {
        name: checkpoint.read_module(module, place / f"{name}.safetensors")
        for name, module in _modules(state).items()
    }
    return _Saved(counts, weights, optim, rng)


def _modules(state: State) -> dict[str, nn.Module]:
    return {"game": state.game, **{f"ema.{name}": each for name, each in state.ema.items()}}


def _fill(state: State, saved: _Saved) -> State:
    for name, module in _modules(state).items():
        checkpoint.fill_module(module, saved.weights[name])
    names = ("round", "drawn", "steps", "notes")
    return state._replace(**{name: saved.counts[name] for name in names})


def _check_outsiders(state: State, saved: Mapping[str, int], place: Path) -> None:
    mine = _fingerprints(state)
    for name in sorted(saved.keys() | mine.keys()):
        if saved.get(name) != mine.get(name):
            raise UserError(
                f"{place} was made with another outsider {name!r} than this game has; give the "
                "game the judge, victim or encoder with the same weights"
            )


def _check_averages(state: State, place: Path, *, learned_only: bool) -> None:
    """Reject averages that were not saved, and to go on those that would be dropped."""
    files = (file.name for file in place.glob("ema.*.safetensors"))
    saved = {name.removeprefix("ema.").removesuffix(".safetensors") for name in files}
    mine = set(state.ema)
    if mine - saved or (saved != mine and not learned_only):
        raise UserError(
            f"{place} holds weight averages of {sorted(saved)}, not of {sorted(mine)}; use the "
            "options it was made with"
        )


def _check_optim(state: State, optim: dict[str, Any], file: Path, kinds: Mapping[str, str]) -> None:
    """Reject optimizers and schedules of other players, kinds or parameters.

    The parts of Adam's state are those of AdamW's, so checkpoints name the kinds.
    """
    for kind, mine in (("optimizers", state.optimizers), ("schedules", state.schedules)):
        if set(optim[kind]) != set(mine):
            raise UserError(
                f"{file} holds {kind} of {sorted(optim[kind])}, not of {sorted(mine)}; "
                "use the options it was made with"
            )
    for name, optimizer in state.optimizers.items():
        saved, wanted = optim["optimizers"][name], optimizer.state_dict()
        saved_groups, groups = saved["param_groups"], wanted["param_groups"]
        now = type(optimizer).__name__
        alike = len(saved_groups) == len(groups) and all(
            a.keys() == b.keys() and len(a["params"]) == len(b["params"])
            for a, b in zip(saved_groups, groups)
        )
        if not alike or kinds.get(name, now) != now:
            raise UserError(
                f"{file} holds another optimizer of {name!r}; use the options it was made with"
            )
