"""What two processes that play the dialogue game together find; `run_of_two.py` starts it."""

import functools
from pathlib import Path

import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from image_core.adversarial import parallel, sharding
from image_core.adversarial.engine import Engine
from seqgan.dialogue.game import DialogueGame, tiny
from seqgan.dialogue.reward import TrainedReward
from tests.seqgan.dialogue.test_reward import reward_of


def new(seed: int) -> tuple[Engine, dict[str, torch.Tensor]]:
    """An engine, and the batch of both processes."""
    torch.manual_seed(seed)
    game, batch = tiny()
    return engine_of(game), batch


def engine_of(game: DialogueGame) -> Engine:
    adam = functools.partial(torch.optim.Adam, lr=1e-2)
    return Engine(game, {"G": adam, "D": adam}, clip={"G": 1.0})


def state(engine: Engine) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in engine.game.state_dict().items()}


def played(rank: int, *, shard: bool) -> dict[str, torch.Tensor]:
    """Two rounds of a policy that is whole, or cut in two; then it is kept as the reference."""
    engine, batch = new(0)
    game = engine.game
    assert isinstance(game, DialogueGame)
    if shard:
        mesh = init_device_mesh("cpu", (2,))
        for block in game.G.model.transformer.h:
            fully_shard(block, mesh=mesh)
        fully_shard(game.G.model, mesh=mesh, reshard_after_forward=True)
        engine = engine_of(game)
    torch.manual_seed(100 + rank)
    engine.run(lambda index: batch, 2)
    game.keep_mle()
    local = sum(getattr(p, "to_local", lambda p=p: p)().numel() for p in game.G.parameters())
    found = {name: value.clone() for name, value in sharding.whole(game.state_dict()).items()}
    return found | {"local": torch.tensor(local)}


def sure(reward: TrainedReward) -> TrainedReward:
    """Without the dropout that two processes draw otherwise than one."""
    for module in reward.game.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return reward


def rewarded(rank: int) -> dict[str, torch.Tensor]:
    """TRL's reward, each process with completions of its own; then alone with those of both."""
    prompts, made, human = ["and rain ?"] * 2, ["tea tea", "rain"], ["no .", "yes , rain is nice ."]
    reward = sure(reward_of(seed=rank)[0])
    for _ in range(2):
        own = reward(prompts[:1], made[rank : rank + 1], human=human[rank : rank + 1])
    with parallel.alone():
        both = sure(reward_of(seed=0)[0])
        for _ in range(2):
            all_ = both(prompts, made, human=human)
    found = {f"reward.{n}": p.clone() for n, p in reward.game.state_dict().items()}
    found |= {f"alone.{n}": p.clone() for n, p in both.game.state_dict().items()}
    return found | {"own": torch.tensor(own), "all": torch.tensor(all_)}


def find(rank: int, folder: Path) -> None:
    """Two rounds, a checkpoint, two more; the same by an engine that loads the checkpoint."""
    engine, batch = new(rank)
    torch.manual_seed(100 + rank)
    engine.run(lambda index: batch, 2)
    engine.save(folder / "run")
    half = state(engine)
    with torch.random.fork_rng():
        drawn = engine.game.G.sample(batch["context"], batch["attention_mask"], 6)
    engine.run(lambda index: batch, 2)
    other, _ = new(rank + 10)
    other.load(folder / "run")
    other.run(lambda index: batch, 2)
    found = {"half": half, "drawn": drawn, "whole": state(engine), "resumed": state(other)}
    found |= {"plain": played(rank, shard=False), "sharded": played(rank, shard=True)}
    found["rewards"] = rewarded(rank)
    torch.save(found, folder / f"{rank}.pt")
