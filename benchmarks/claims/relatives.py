"""Relatives of GAIL on CartPole, each by its own reward, loss and penalty.

Data: one episode of an expert, as in `cartpole`. Budget: 100,000 steps of the environment. A share
of 0 is the random policy, 1 the expert. Control: demonstrations of a random policy, for each paper.
"""

from benchmarks.claims.cartpole import EXPERT, IMITATE, TINY
from benchmarks.claims.harness.claim import Check, Claim

TITLES = {"gail": "GAIL", "airl": "AIRL", "fairl": "FAIRL", "gaifo": "GAIfO", "vail": "VAIL"}
"""Rows of the papers in their runs' tables."""

HALF = [
    Check(says=f"{title}'s share is above .5", figure=(paper, title, "share"), by=0.5)
    for paper, title in TITLES.items()
]
CONTROLS = [
    Check(
        says=f"{title} is above random demonstrations",
        figure=(paper, title, "share"),
        against=(paper, "random demonstrations", "share"),
    )
    for paper, title in TITLES.items()
]
CLAIM = Claim(
    says="In 100,000 steps of CartPole GAIL, AIRL, FAIRL, GAIfO and VAIL come more than half of "
    "the way from the random policy to their expert.",
    runs={
        paper: f"{EXPERT}seqgan train imitate --paper {paper} --env_steps 100000 {IMITATE}"
        for paper in TITLES
    },
    checks=[*HALF, *CONTROLS],
    rows=[
        (paper, row)
        for paper, title in TITLES.items()
        for row in (title, "discriminator never trained", "random demonstrations")
    ],
    columns=["return", "sd", "share"],
    cpu_seconds=200,
    seeds=(3, 4, 5),
    tiny=TINY | {"seqgan train imitate": "--env_steps 8192"},
)
