"""Plans for a blocks world from few demonstrations: an adversary and all its rivals.

Data, made by blocks_parts: 300 tasks of four blocks with a shortest plan each, 3,000 tasks without,
300 for validation, 1,000 to be tested on, all different. A plan is checked move by move. Generator,
discriminator, and settings are those of blocks_parts/rivals.yaml and, where it says nothing, those
of the mazes; they were looked at on the seeds 10 and 11 alone. The discriminator sees free and
settled blocks, the one in the hand, and whether the goal is reached, which the generator sees, too.
Budget: 32 CPU seconds a row, and 8 for the common start; the last weights count.

Best-of-n at decoding draws n times as many samples, so it stands in the table and in no check.
"""

from benchmarks.claims.harness.rivals import above_all

MAKE = "python benchmarks/claims/blocks_parts/make.py --seed {seed} --out {out}/blocks"
RIVALS = (
    "seqgan rivals --config benchmarks/claims/blocks_parts/rivals.yaml "
    "--data {out}/blocks/pairs.txt --valid {out}/blocks/valid.txt --test {out}/blocks/test.txt "
    "--prompts {out}/blocks/prompts.txt --labelled {out}/blocks/labelled.txt --seconds 32 "
    "--seeds 1 --seed {seed} --out {out}/run"
)
CLAIM = above_all(
    "From 300 demonstrations and 3,000 tasks without, an adversary writes more valid plans for a "
    "blocks world than every rival with one sample at decoding and equal CPU seconds.",
    {"4 blocks": f"{MAKE}\n{RIVALS}"},
    seeds=range(5),
)
