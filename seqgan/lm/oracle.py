"""The synthetic language of SeqGAN's experiments: an LSTM whose density is known exactly."""

from pathlib import Path

import torch

from image_core.adversarial.arguments import check_within, python_call
from image_core.adversarial.errors import UserError
from image_core.archives import check_numbers, npz_arrays, npz_names
from seqgan.lm.policies import LSTMPolicy

SHAPES = {
    "emb": ("V", "E"),
    **{f"W{gate}": ("E", "H") for gate in ("i", "f", "c", "o_gate")},
    **{f"U{gate}": ("H", "H") for gate in ("i", "f", "c", "o_gate")},
    **{f"b{gate}": ("H",) for gate in ("i", "f", "c", "o_gate")},
    "W_out": ("H", "V"),
    "b_out": ("V",),
}
"""Arrays of an oracle file and their shapes, with the names of the released oracle."""

GATES = ("i", "f", "c", "o_gate")
"""Gates of an LSTM in torch's order, by their names in the file."""


@python_call()
def draw_oracle(vocab: int, seed: int, embedding: int = 32, hidden: int = 32) -> LSTMPolicy:
    """An oracle with every parameter drawn from N(0, 1) (Yu et al. 2017, section 5).

    Args:
        vocab: Number of token ids.
        seed: Seed of the parameters.
        embedding: Size of the token embeddings.
        hidden: Size of the LSTM's state.

    Raises:
        UserError: A size is below 1, or the seed is negative.
    """
    check_within(0, 2**63 - 1, seed=seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        oracle = LSTMPolicy(vocab, embedding, hidden, init_std=1.0)
    return oracle.eval().requires_grad_(False)


@python_call(oracle="file")
def load_oracle(file: str | Path) -> LSTMPolicy:
    """Load an oracle from an .npz file with the arrays of `SHAPES`.

    Args:
        file: Path of the .npz file.

    Raises:
        UserError: The file is missing or not an .npz file, or an array is missing or has another
            shape.
    """
    path, name = Path(file), f"--oracle {file}"
    if not path.exists():
        raise UserError(f"{name} does not exist; leave it out to draw one from the seed")
    there = npz_names(name, path)
    missing = [one for one in SHAPES if one not in there]
    held = npz_arrays(name, path, [one for one in SHAPES if one in there])
    check_numbers(name, held)
    parts = {one: torch.from_numpy(array).float() for one, array in held.items()}
    if missing:
        raise UserError(
            f"--oracle {file} has no array {missing[0]!r}; it needs {', '.join(SHAPES)}"
        )
    if parts["emb"].dim() != 2 or parts["W_out"].dim() != 2:
        raise UserError(f"--oracle {file}: emb and W_out must be matrices")
    sizes = {"V": parts["emb"].shape[0], "E": parts["emb"].shape[1], "H": parts["W_out"].shape[0]}
    for name, axes in SHAPES.items():
        wanted = tuple(sizes[axis] for axis in axes)
        if parts[name].shape != wanted:
            raise UserError(f"--oracle {file}: {name} is {tuple(parts[name].shape)}, not {wanted}")
    oracle = LSTMPolicy(sizes["V"], sizes["E"], sizes["H"])
    with torch.no_grad():
        oracle.embedding.copy_(parts["emb"])
        oracle.input_weight[0].copy_(torch.cat([parts[f"W{g}"] for g in GATES], 1).t())
        oracle.state_weight[0].copy_(torch.cat([parts[f"U{g}"] for g in GATES], 1).t())
        oracle.bias[0].copy_(torch.cat([parts[f"b{g}"] for g in GATES]))
        oracle.output_weight.copy_(parts["W_out"])
        oracle.output_bias.copy_(parts["b_out"])
    return oracle.eval().requires_grad_(False)
