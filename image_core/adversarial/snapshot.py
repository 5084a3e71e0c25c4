"""What of an engine goes into a checkpoint and back: weights, optimizers, randomness, counts."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from image_core.adversarial import checkpoint, parallel, sharding
from image_core.adversarial.errors import UserError

if TYPE_CHECKING:
    from image_core.adversarial.engine import Engine


def save_engine(engine: "Engine", folder: Path) -> None:
    """Write `game.safetensors`, `ema.*.safetensors`, `optim.pt`, `rng.*.pt` and `state.json`.

    Raises:
        UserError: the disk is full, or the folder cannot be written.
    """
    rank, processes = parallel.world()
    rng = {"cpu": parallel.gather(torch.get_rng_state())}
    if engine.device.type == "cuda":
        rng["cuda"] = parallel.gather(torch.cuda.get_rng_state(engine.device))
    content = _content(engine)
    failure: Exception | None = None
    try:
        if rank == 0:
            _write(engine, folder, content, rng, processes)
    except Exception as error:  # the other processes must hear of it, whatever it is
        failure = error
    succeeded = parallel.all_succeeded(failure is None)
    if failure is not None:
        raise failure
    if not succeeded:
        raise UserError(f"{folder} was not written: see what the first process says")
    engine.saved = folder


def _content(engine: "Engine") -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Sharded weights and optimizers' states, put together; weights that are whole stay there."""
    weights = None
    if sharding.any_sharded(engine.game):
        weights = sharding.whole(engine.game.state_dict())
        for name in sharding.twins(engine.game):
            del weights[name]  # stored once, as whole weights are
    optim = {
        "optimizers": {n: sharding.whole(o.state_dict()) for n, o in engine.optimizers.items()},
        "schedules": {n: s.state_dict() for n, s in engine.schedules.items()},
    }
    return weights, optim


def _write(
    engine: "Engine",
    folder: Path,
    content: tuple[dict[str, Any] | None, dict[str, Any]],
    rng: dict[str, list[torch.Tensor]],
    processes: int,
) -> None:
    weights, optim = content
    with checkpoint.writing(folder) as place:
        if weights is None:
            checkpoint.save_module(engine.game, place / "game.safetensors")
        else:
            sharding.save_weights(weights, place / "game.safetensors")
        for name, average in engine.ema.items():
            checkpoint.save_module(average, place / f"ema.{name}.safetensors")
        checkpoint.save_tensors(optim, place / "optim.pt")
        for process in range(processes):
            states = {kind: states[process] for kind, states in rng.items()}
            checkpoint.save_tensors(states, place / f"rng.{process}.pt")
        checkpoint.write_state(place, _counts(engine, processes))


def load_played(engine: "Engine", folder: Path) -> None:
    """Restore what was learned and counted by however many processes: to sample or to evaluate.

    Raises:
        UserError: the checkpoint is missing, corrupt, or of another game.
    """
    place = checkpoint.place(folder)
    state = checkpoint.read_state(place)
    _load_weights(engine, place)
    engine.round, engine.drawn = state["round"], state["drawn"]
    engine.steps, engine.notes = state["steps"], state["notes"]
    engine.saved = folder


def _load_weights(engine: "Engine", place: Path) -> None:
    checkpoint.load_module(engine.game, place / "game.safetensors")
    for name, average in engine.ema.items():
        checkpoint.load_module(average, place / f"ema.{name}.safetensors")


def load_engine(engine: "Engine", folder: Path) -> None:
    """Restore all that `save_engine` wrote.

    Raises:
        UserError: the checkpoint is missing, corrupt, or of another game.
    """
    place = checkpoint.place(folder)
    state = checkpoint.read_state(place)
    rank, processes = parallel.world()
    if state["processes"] != processes:
        raise UserError(
            f"{place} was saved by {state['processes']} processes; "
            f"resume with as many, not {processes}"
        )
    # On the CPU: an optimizer moves its moments itself and keeps its step counts where they were.
    optim = checkpoint.load_tensors(place / "optim.pt")
    _check_optim(engine, optim, place / "optim.pt")
    _load_weights(engine, place)
    for name, optimizer in engine.optimizers.items():
        optimizer.load_state_dict(optim["optimizers"][name])
        sharding.shard_optimizer(optimizer)
    for name, schedule in engine.schedules.items():
        schedule.load_state_dict(optim["schedules"][name])
    rng = checkpoint.load_tensors(place / f"rng.{rank}.pt")
    torch.set_rng_state(rng["cpu"])
    if "cuda" in rng and engine.device.type == "cuda":
        torch.cuda.set_rng_state(rng["cuda"], engine.device)
    engine.round, engine.drawn = state["round"], state["drawn"]
    engine.steps, engine.notes = state["steps"], state["notes"]
    engine.forget_non_finite()
    engine.saved = folder


def _check_optim(engine: "Engine", optim: dict[str, Any], file: Path) -> None:
    """Refuse optimizers and schedules of other players, kinds or parameters."""
    for kind, mine in (("optimizers", engine.optimizers), ("schedules", engine.schedules)):
        if set(optim[kind]) != set(mine):
            raise UserError(
                f"{file} holds {kind} of {sorted(optim[kind])}, not of {sorted(mine)}; "
                "use the options it was made with"
            )
    for name, optimizer in engine.optimizers.items():
        saved, wanted = optim["optimizers"][name], optimizer.state_dict()
        saved_groups, groups = saved["param_groups"], wanted["param_groups"]
        same = len(saved_groups) == len(groups) and all(
            a.keys() == b.keys() and len(a["params"]) == len(b["params"])
            for a, b in zip(saved_groups, groups)
        )
        if not same:
            raise UserError(
                f"{file} holds another optimizer of {name!r}; use the options it was made with"
            )


def _counts(engine: "Engine", processes: int) -> dict[str, Any]:
    return {
        "round": engine.round,
        "drawn": engine.drawn,
        "steps": engine.steps,
        "notes": engine.notes,
        "processes": processes,
        "versions": {"torch": torch.__version__},
    }
