"""The table of imitation: environments x trajectories x methods, over seeds, with controls.

    python benchmarks/imitation_table.py --demos FOLDER --out runs/table [--env CartPole-v1]

FOLDER holds ENV.npz for each environment. Methods are all papers that apply, and iq_learn_offline;
dagger where --experts names a folder with a run or a file ENV of experts. Each cell is a run of
`seqgan train imitate` in a folder of its own under --out. Stopped at any moment, the same command
goes on: finished runs are kept, a killed one is resumed. Runs end with the process that started
them, however that ends. Writes result.json, methods.json, table.md, one picture of learning curves
a row, and methods.png.

Columns: `return` of sampled actions; `likeliest` of the likeliest action, by which the paper's
released code evaluates. Both are inter-quartile means over seeds of mean returns, with 95 %
bootstrap intervals over seeds; with one seed there is none, and the row says "one seed". The second
table is over environments: the share of the way from the random policy to the expert, the
inter-quartile mean over all runs, and the interval of a bootstrap that draws runs anew within each
environment (Agarwal et al. 2021). `d_auc` is that of the discriminator on the demonstrations beyond
those that were learned from.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

CHOICES = ("CartPole-v1", "Acrobot-v1", "MountainCar-v0")
"""Environments whose actions are choices."""
SUBSAMPLE = {"CartPole-v1": 10, "Acrobot-v1": 5, "MountainCar-v0": 5, "Pendulum-v1": 5}
"""As in the paper, which has no Pendulum; 20 for everything else. Their preset is classic."""
FEW, MANY = (1, 4, 7, 10), (4, 11, 18, 25)
"""Numbers of trajectories, of those environments and of all others."""
PASSED = 0.9
VARIANTS = {"iq_learn_offline": ("iq_learn", {"offline": "true"})}
"""Methods that are a paper with other options."""
ANYWHERE = ("bc", "gail", "airl", "airl_state", "fairl", "gaifo", "vail", "wail", "dail", "drail")
SOFT = ("pwil", "sqil", "iq_learn", "iq_learn_offline")
WITHOUT_CONTROLS = ("bc", "dagger")
CONTROLS = ("discriminator never trained", "random demonstrations")
TIED = """
import os, sys, threading

def watch():
    os.read(0, 1)  # returns once whoever holds the pipe's other end is gone
    os._exit(143)

threading.Thread(target=watch, daemon=True).start()
from seqgan.cli import main
sys.exit(main(sys.argv[1:]))
"""
"""The command line in a process that ends with its parent, also where that was killed."""
Cell = tuple[str, int, str]


def methods(env: str, *, experts: bool) -> tuple[str, ...]:
    """All that apply; discriminator-actor-critic is for continuous actions."""
    asked = ("dagger",) if experts else ()
    return (*ANYWHERE, *SOFT, *(() if env in CHOICES else ("dac",)), *asked)


def words(cell: Cell, seed: int, folder: Path, options: argparse.Namespace) -> list[str]:
    """The command of one run."""
    env, count, method = cell
    paper, more = VARIANTS.get(method, (method, {}))
    named: dict[str, Any] = {
        "env": env,
        "demos": Path(options.demos) / f"{env}.npz",
        "trajectories": count,
        "subsample": SUBSAMPLE.get(env, 20),
        "paper": paper,
        "seed": seed,
        "threads": 1,
        "out": folder,
    }
    if method == "bc":
        named["bc_steps"] = 2000
    if method == "dagger":
        named["expert_policy"] = Path(options.experts) / env
    if method not in WITHOUT_CONTROLS:
        named["controls"] = str(options.controls).lower()
    if method != "bc" and options.env_steps:
        named["env_steps"] = options.env_steps
    named |= more
    given = [f"--{name}={value}" for name, value in named.items()]
    preset = "classic" if env in SUBSAMPLE else "mujoco"
    return ["train", "imitate", "--preset", preset, *given, "--resume"]


def run(cell: Cell, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """One run's result; what is finished is read."""
    folder = Path(options.out) / f"{cell[0]}-{cell[1]}-{cell[2]}-{seed}"
    result = folder / "result.json"
    if not result.exists():
        play([sys.executable, "-c", TIED, *words(cell, seed, folder, options)], folder.name)
    return json.loads(result.read_text(encoding="utf-8"))


def play(command: Sequence[str], name: str) -> None:
    """One process, tied to this one by a pipe that nobody writes to."""
    until_we_end, held = os.pipe()
    try:
        done = subprocess.run(
            command,
            stdin=until_we_end,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    finally:
        os.close(until_we_end)
        os.close(held)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise SystemExit(f"{name}: {said[-1] if said else f'ended with {done.returncode}'}")
    print(name, "done", file=sys.stderr, flush=True)


def summary(cell: Cell, results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Inter-quartile mean over seeds of the mean return, its interval, and what controls say."""
    from rl.metrics import bootstrap, interquartile_mean

    env, count, method = cell
    tables, title = [result["table"] for result in results], results[0]["title"]
    if tables[0]["expert"]["return"] is None:
        raise SystemExit(f"{env}: the demonstrations hold no rewards; record some that do")
    row: dict[str, Any] = {"env": env, "trajectories": count, "method": method}
    row |= {"seeds": len(tables), "interval_over": "seeds"}
    for name, of in (("return", title), ("likeliest", f"{title}, likeliest action")):
        found = bootstrap([table[of]["return"] for table in tables])._asdict()
        # One seed drawn anew is always itself
        row[name] = found if len(tables) > 1 else {"value": found["value"]}
    judged = [result["d_auc"] for result in results if "d_auc" in result]
    if judged:
        row["d_auc"] = interquartile_mean(judged)
    row["expert"] = tables[0]["expert"]["return"]
    row["random policy"] = tables[0]["random policy"]["return"]
    for control in CONTROLS:
        if control in tables[0]:
            row[control] = interquartile_mean([table[control]["return"] for table in tables])
    far = PASSED * (row["expert"] - row["random policy"])
    passed = [
        name for name in CONTROLS if name in row and (row[name] - row["random policy"]) >= far
    ]
    controlled = any(name in row for name in CONTROLS)
    way = row["expert"] - row["random policy"]
    row["shares"] = [(t[title]["return"] - row["random policy"]) / way for t in tables if way > 0]
    reached = row["return"]["value"] - row["random policy"] >= far
    row["proves"] = (
        "nothing"
        if passed
        else "no control played"
        if not controlled
        else "something"
        if reached
        else "expert not reached"
    )
    return row


def _figure(found: Mapping[str, float], digits: int = 1) -> str:
    said = {name: f"{value:.{digits}f}" for name, value in found.items()}
    if "low" not in said:
        return f"{said['value']} (one seed)"
    return f"{said['value']} ({said['low']} .. {said['high']})"


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table as text."""
    columns = ["env", "trajectories", "method", "seeds", "return", "likeliest", "expert"]
    columns += ["random policy", "discriminator never trained", "random demonstrations"]
    columns += ["d_auc", "proves"]
    over = {name: f"{name} (95 % over seeds)" for name in ("return", "likeliest")}
    heads = [over.get(column, column) for column in columns]
    lines = [" | ".join(heads), " | ".join("---" for _ in columns)]
    for row in rows:
        shown = {**row, "return": _figure(row["return"]), "likeliest": _figure(row["likeliest"])}
        if "d_auc" in row:
            shown["d_auc"] = f"{row['d_auc']:.3f}"
        cells = [shown.get(column, "") for column in columns]
        lines.append(" | ".join(f"{c:.1f}" if isinstance(c, float) else str(c) for c in cells))
    return "".join(f"| {line} |\n" for line in lines)


def over_environments(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Shares of the way to the expert, a row for each method and number of trajectories."""
    from rl.metrics import stratified_bootstrap

    found = []
    for method, count in dict.fromkeys((row["method"], row["trajectories"]) for row in rows):
        mine = [r for r in rows if (r["method"], r["trajectories"]) == (method, count)]
        shares = {r["env"]: r["shares"] for r in mine if r["shares"]}
        if not shares:
            continue
        interval = stratified_bootstrap(list(shares.values()))._asdict()
        several = any(len(runs) > 1 for runs in shares.values())
        share = interval if several else {"value": interval["value"]}
        head = {"method": method, "trajectories": count, "environments": sorted(shares)}
        found.append({**head, "runs": sum(map(len, shares.values())), "share": share})
    return found


def markdown_of_methods(found: Sequence[Mapping[str, Any]]) -> str:
    """The table over environments as text."""
    lines = ["method | trajectories | environments | runs | share (95 % over seeds)"]
    lines.append("--- | --- | --- | --- | ---")
    for row in found:
        share = _figure(row["share"], digits=3)
        cells = [row["method"], row["trajectories"], len(row["environments"]), row["runs"], share]
        lines.append(" | ".join(map(str, cells)))
    return "".join(f"| {line} |\n" for line in lines)


def draw_methods(found: Sequence[Mapping[str, Any]], out: Path) -> None:
    """Shares of the methods as points with their intervals; 0 is random, 1 the expert."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 1 + 0.3 * len(found)), layout="constrained")
    axes = figure.subplots()
    for place, row in enumerate(found):
        share = row["share"]
        axes.plot(
            [share.get("low", share["value"]), share.get("high", share["value"])], [place] * 2
        )
        axes.plot(share["value"], place, "o", color="black")
    axes.set_yticks(range(len(found)), [f"{r['method']}, {r['trajectories']}" for r in found])
    axes.axvline(0, color="gray", ls=":")
    axes.axvline(1, color="gray", ls=":")
    axes.set_xlabel("share of the way from the random policy to the expert")
    figure.savefig(out, dpi=120)


def draw(
    cell: Cell,
    results: Sequence[Mapping[str, Any]],
    seeds: Sequence[int],
    options: argparse.Namespace,
) -> None:
    """Evaluations of one cell over environment steps, a line a seed, and the expert's level."""
    from matplotlib.figure import Figure

    env, count, method = cell
    config, in_env = results[0]["config"], results[0]["env_steps"] > 0
    per_round = config["envs"] * config["rollout"] if in_env else 1
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    for seed in seeds:
        log = Path(options.out) / f"{env}-{count}-{method}-{seed}" / "log.jsonl"
        rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        seen = [r for r in rows if "return" in r and r["phase"] in ("imitation", "clone")]
        steps = [per_round * r["round"] for r in seen]
        axes.plot(steps, [r["return"] for r in seen], label=f"seed {seed}")
    axes.axhline(results[0]["table"]["expert"]["return"], color="gray", ls=":", label="expert")
    axes.set(title=f"{method}, {env}, {count} trajectories", ylabel="return")
    axes.set_xlabel("environment steps" if in_env else "steps of cloning")
    axes.legend(frameon=False)
    figure.savefig(Path(options.out) / f"{env}-{count}-{method}.png", dpi=120)


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--demos", required=True, help="folder with ENV.npz")
    parser.add_argument("--out", required=True)
    parser.add_argument("--env", action="append", help="may be given several times")
    parser.add_argument("--trajectories", type=int, action="append")
    parser.add_argument("--method", action="append", help="bc, gail or any --paper of imitate")
    parser.add_argument("--experts", help="folder with experts, a run or a file ENV, for dagger")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--env_steps", type=int, default=0, help="0 takes the preset's")
    parser.add_argument(
        "--processes",
        type=int,
        default=1,
        help="runs side by side, each on one thread: at most one a core (1); the table is the same",
    )
    parser.add_argument("--controls", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args(given)
    cells = [
        (env, count, method)
        for env in options.env or CHOICES
        for count in options.trajectories or (FEW if env in SUBSAMPLE else MANY)
        for method in options.method or methods(env, experts=bool(options.experts))
    ]
    Path(options.out).mkdir(parents=True, exist_ok=True)
    jobs = list(itertools.product(cells, range(options.seeds)))
    with ThreadPoolExecutor(options.processes) as pool:
        try:
            results = list(pool.map(lambda job: run(*job, options), jobs))
        except KeyboardInterrupt:
            print("interrupted; the same command goes on", file=sys.stderr, flush=True)
            os._exit(130)  # and the runs with it, which the pool would wait for
    rows = []
    for cell in cells:
        mine = [r for (c, _), r in zip(jobs, results) if c == cell]
        rows.append(summary(cell, mine))
        draw(cell, mine, range(options.seeds), options)
    out = Path(options.out)
    (out / "result.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    over = over_environments(rows)
    (out / "methods.json").write_text(json.dumps(over, indent=1) + "\n", encoding="utf-8")
    draw_methods(over, out / "methods.png")
    text = f"{markdown(rows)}\n{markdown_of_methods(over)}"
    (out / "table.md").write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()
