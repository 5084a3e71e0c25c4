"""GAIL with and without a memory on CartPole that does not show its velocities.

Data: four episodes of the expert of the claim on CartPole, which sees the velocities, without them;
the run's seed draws the episodes and all else. Budget: 100,000 steps of the environment. Baselines:
the same without a memory, and cloning with it. Controls, of the run with a memory: a discriminator
that is never trained, and demonstrations of a random policy. The length of the memory, 8, was
looked at on the seed 1 alone.
"""

from benchmarks.claims.cartpole import TINY
from benchmarks.claims.harness.claim import Check, Claim

EXPERT = """
    seqgan train expert --env CartPole-v1 --threads 1 --seed 0 --out {out}/expert
    seqgan demos {out}/expert --episodes 4 --seed {seed} --out {out}/demos.npz
    python benchmarks/claims/blind_parts/blind.py {out}/demos.npz {out}/blind.npz
"""
IMITATE = (
    "--preset classic --env benchmarks.claims.blind_parts.blind:BlindCartPole-v0 "
    "--demos {out}/blind.npz --threads 1 --seed {seed} --out {out}/run"
)
GAIL = ("memory", "GAIL", "return")
CLAIM = Claim(
    says="Where CartPole does not show its velocities, GAIL with a memory of eight observations "
    "earns 100 more than without, and more than cloning with the same memory.",
    runs={
        "memory": f"{EXPERT}seqgan train imitate --paper gail --window 8 --env_steps 100000 "
        f"{IMITATE}",
        "none": f"{EXPERT}seqgan train imitate --paper gail --env_steps 100000 --controls false "
        f"{IMITATE}",
        "cloning": f"{EXPERT}seqgan train imitate --paper bc --window 8 {IMITATE}",
    },
    checks=[
        Check(
            says="GAIL with a memory is 100 above GAIL without",
            figure=GAIL,
            against=("none", "GAIL", "return"),
            by=100.0,
        ),
        Check(
            says="GAIL with a memory is above cloning with it",
            figure=GAIL,
            against=("cloning", "BC", "return"),
        ),
        *(
            Check(
                says=f"GAIL with a memory is above: {row}",
                figure=GAIL,
                against=("memory", row, "return"),
            )
            for row in ("discriminator never trained", "random demonstrations")
        ),
    ],
    rows=[
        ("memory", "expert"),
        ("memory", "GAIL"),
        ("none", "GAIL"),
        ("cloning", "BC"),
        ("memory", "discriminator never trained"),
        ("memory", "random demonstrations"),
        ("memory", "random policy"),
    ],
    columns=["return", "sd"],
    cpu_seconds=1_200,
    seeds=(3, 4, 5, 6, 7),
    tiny=TINY | {"seqgan train imitate --paper gail": "--env_steps 8192"},
)
