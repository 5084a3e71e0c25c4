"""GAIL against behavioural cloning on CartPole from one demonstration, with both controls.

Data: one episode of an expert that the run itself trains by PPO, every tenth step; the expert is of
seed 0, the run's seed draws the episode and all else. Budget: 300,000 steps of the environment.
Baseline: cloning. Controls: a discriminator that is never trained, and demonstrations of a random
policy.

At first each seed trained an expert of its own. That of seed 2 earned 214 of 500, GAIL equalled it
with 221, and the discriminator that is never trained, whose reward is the same for every step, kept
the pole up for 461. So the expert became one that is an expert, and the seeds fresh ones: three at
first, which could not tell GAIL from cloning (500 each beside 439, 296, 266) nor from the untrained
discriminator (14, 10, 495), then eight.
"""

from benchmarks.claims.harness.claim import Check, Claim

EXPERT = """
    seqgan train expert --env CartPole-v1 --threads 1 --seed 0 --out {out}/expert
    seqgan demos {out}/expert --episodes 1 --seed {seed} --out {out}/demos.npz
"""
"""Commands that make one demonstration of one expert, which balances to the end of the episode."""

IMITATE = (
    "--preset classic --env CartPole-v1 --demos {out}/demos.npz --subsample 10 --threads 1 "
    "--seed {seed} --out {out}/run"
)
TINY = {"seqgan train expert": "--env_steps 20000"}

GAIL = ("gail", "GAIL", "return")
CLAIM = Claim(
    says="From one demonstration of CartPole GAIL reaches its expert; cloning does not, and "
    "neither control does.",
    runs={
        "gail": f"{EXPERT}seqgan train imitate --paper gail --env_steps 300000 {IMITATE}",
        "bc": f"{EXPERT}seqgan train imitate --paper bc --bc_steps 2000 {IMITATE}",
    },
    checks=[
        Check(
            says="GAIL is within 10 of its expert",
            figure=GAIL,
            against=("gail", "expert", "return"),
            by=-10.0,
        ),
        Check(says="GAIL is above cloning", figure=GAIL, against=("bc", "BC", "return")),
        Check(
            says="GAIL is above an untrained discriminator",
            figure=GAIL,
            against=("gail", "discriminator never trained", "return"),
        ),
        Check(
            says="GAIL is above random demonstrations",
            figure=GAIL,
            against=("gail", "random demonstrations", "return"),
        ),
    ],
    rows=[
        ("gail", "expert"),
        ("gail", "GAIL"),
        ("gail", "GAIL, likeliest action"),
        ("bc", "BC"),
        ("bc", "BC, likeliest action"),
        ("gail", "discriminator never trained"),
        ("gail", "random demonstrations"),
        ("gail", "random policy"),
    ],
    columns=["return", "sd"],
    cpu_seconds=400,
    seeds=(3, 4, 5, 6, 7, 8, 9, 10),
    tiny=TINY | {"seqgan train imitate --paper gail": "--env_steps 8192"},
)
