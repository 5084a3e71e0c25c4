"""`seqgan export DIR --out FILE.onnx`: a trained policy as one file for other programs."""

from collections.abc import Sequence
from pathlib import Path

from image_core.adversarial.errors import UserError
from image_core.runs.parsing import folder_parser, prepare, saved_config
from seqgan.commands.play import PLAYING
from seqgan.commands.recipes import RECIPES, load


def run(words: Sequence[str]) -> None:
    """Write a trained policy's likeliest actions as an ONNX file."""
    parser = folder_parser(
        "export", "Write a trained policy as an ONNX file, which programs run without torch."
    )
    parser.add_argument("--out", required=True, metavar="FILE", help="New .onnx file.")
    options = parser.parse_args(words)
    recipe, _ = saved_config(options.folder, RECIPES)
    if recipe not in PLAYING:
        raise UserError(f"{options.folder} is a run of {recipe}, which has no policy to export")
    out = Path(options.out)
    if out.suffix.lower() != ".onnx":
        raise UserError(f"--out {out}: end the name in .onnx")
    if out.exists():
        raise UserError(f"--out {out} exists and nothing is overwritten; choose another")
    prepare()
    from rl.export import write_onnx

    loaded = load(options.folder)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_onnx(out, loaded.likeliest_action())
    print(
        f"{out}: the likeliest actions of {loaded.env_id}; observations go in as `obs`, actions "
        "come out as `act`, both in batches"
    )
