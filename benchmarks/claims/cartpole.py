"""GAIL against behavioural cloning on CartPole from one demonstration, with both controls.

Data: one episode of an expert that the run itself trains by PPO, every tenth step. Budget: 300,000
steps of the environment. Baseline: cloning. Controls: a discriminator that is never trained, and
demonstrations of a random policy.
"""

from benchmarks.claims.harness.claim import Check, Claim

EXPERT = """
    seqgan train expert --env CartPole-v1 --threads 1 --seed {seed} --out {out}/expert
    seqgan demos {out}/expert --episodes 1 --seed {seed} --out {out}/demos.npz
"""
"""Commands that make one demonstration."""

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
    tiny=TINY | {"seqgan train imitate --paper gail": "--env_steps 8192"},
)
