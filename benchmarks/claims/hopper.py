"""DAC against behavioural cloning on Hopper from one demonstration, with both controls.

Data: one episode of a published expert, the same for every seed, every twentieth step. Budget:
160,000 steps of the environment. Baseline: cloning. Controls: a discriminator that is never
trained, and demonstrations of a random policy. MuJoCo is needed: pip install "gymnasium[mujoco]".
The preset was made with four demonstrations on the seed 11. With one, the first of the file, on
that seed, DAC had 3226, cloning 351 after 2,000 steps and 355 after 10,000, and the expert 3578.
"""

from benchmarks.claims.harness.claim import Check, Claim

IMITATE = (
    "--preset mujoco --env Hopper-v5 --demos {data}/rl/demos/Hopper-v5.npz --trajectories 1 "
    "--threads 1 --seed {seed} --out {out}/run"
)
DAC = ("dac", "DAC", "return")
BESIDE = (
    ("cloning", ("bc", "BC", "return")),
    ("an untrained discriminator", ("dac", "discriminator never trained", "return")),
    ("random demonstrations", ("dac", "random demonstrations", "return")),
)
CLAIM = Claim(
    says="From one demonstration of Hopper DAC reaches four fifths of its expert's return; cloning "
    "does not, and neither control does.",
    runs={
        "dac": f"seqgan train imitate --paper dac --env_steps 160000 {IMITATE}",
        "bc": f"seqgan train imitate --paper bc {IMITATE}",
    },
    checks=[
        Check(says="DAC has four fifths of the expert's 3578", figure=DAC, by=0.8 * 3578),
        *(Check(says=f"DAC is above {name}", figure=DAC, against=rival) for name, rival in BESIDE),
    ],
    rows=[
        *(("dac", row) for row in ("expert", "DAC", "DAC, likeliest action")),
        *(("bc", row) for row in ("BC", "BC, likeliest action")),
        ("dac", "discriminator never trained"),
        ("dac", "random demonstrations"),
        ("dac", "random policy"),
    ],
    columns=["return", "sd"],
    cpu_seconds=1200,
    seeds=(20, 21, 22, 23, 24),
    tiny={"seqgan train imitate --paper dac": "--env_steps 2048"},
)
