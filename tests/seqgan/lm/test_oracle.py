"""The oracle: read from a file as its cell defines it, drawn from a seed, and bad files."""

import gzip

import numpy as np
import pytest
import torch

from image_core.adversarial.errors import UserError
from seqgan.lm.likelihood import nll
from seqgan.lm.oracle import SHAPES, draw_oracle, load_oracle
from tests.data_folder import data_folder


def made(vocab=11, embedding=3, hidden=4):
    """Arrays of a small oracle file."""
    sizes, generator = {"V": vocab, "E": embedding, "H": hidden}, np.random.default_rng(0)
    return {
        name: generator.normal(size=[sizes[axis] for axis in axes]).astype(np.float32)
        for name, axes in SHAPES.items()
    }


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def numpy_cell(arrays, tokens):
    """Log-probabilities by the equations that come with the file, in float64."""
    a = {name: array.astype(np.float64) for name, array in arrays.items()}
    rows, length = tokens.shape
    h = c = np.zeros((rows, a["W_out"].shape[0]))
    read, result = np.zeros(rows, dtype=int), []
    for t in range(length):
        x = a["emb"][read]
        i = sigmoid(x @ a["Wi"] + h @ a["Ui"] + a["bi"])
        f = sigmoid(x @ a["Wf"] + h @ a["Uf"] + a["bf"])
        o = sigmoid(x @ a["Wo_gate"] + h @ a["Uo_gate"] + a["bo_gate"])
        g = np.tanh(x @ a["Wc"] + h @ a["Uc"] + a["bc"])
        c = f * c + i * g
        h = o * np.tanh(c)
        logits = h @ a["W_out"] + a["b_out"]
        top = logits.max(1, keepdims=True)
        log_z = np.log(np.exp(logits - top).sum(1)) + top[:, 0]
        read = tokens[:, t]
        result.append(logits[np.arange(rows), read] - log_z)
    return np.stack(result, 1)


def test_a_file_is_read_as_its_cell_defines_it(tmp_path):
    np.savez(tmp_path / "oracle.npz", **made())
    oracle = load_oracle(tmp_path / "oracle.npz")
    tokens = torch.randint(0, 11, (6, 8))
    expected = torch.from_numpy(numpy_cell(made(), tokens.numpy()))
    assert torch.allclose(oracle.log_prob(tokens).double(), expected, rtol=0, atol=1e-5)
    assert not any(p.requires_grad for p in oracle.parameters())
    assert not oracle.training


def save_without(name):
    return lambda file: np.savez(file, **{k: v for k, v in made().items() if k != name})


def save_with(**arrays):
    return lambda file: np.savez(file, **{**made(), **arrays})


BAD = {
    "missing": (lambda file: None, "does not exist"),
    "folder": (lambda file: file.mkdir(), "Is a directory"),
    "empty": (lambda file: file.write_bytes(b""), "is empty; get or save it anew"),
    "text": (lambda file: file.write_text("1 2 3"), "is no .npz file"),
    "no array": (save_without("Uf"), "has no array 'Uf'; it needs emb"),
    "no embedding": (save_without("emb"), "has no array 'emb'; it"),
    "shape": (save_with(Wc=np.zeros((4, 3))), r"Wc is \(4, 3\), not \(3, 4\)"),
    "bias": (save_with(b_out=np.zeros((11, 1))), r"b_out is \(11, 1\), not \(11,\)"),
    "vector": (save_with(emb=np.zeros(11)), "emb and W_out must be matrices"),
    "objects": (save_with(bi=np.array([{}] * 4)), "its array bi holds Python objects"),
    "words": (save_with(bi=np.array(["a"] * 4)), "bi holds no numbers; save it anew"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_files(kind, tmp_path):
    write, match = BAD[kind]
    file = tmp_path / "oracle.npz"
    write(file)
    with pytest.raises(UserError, match=match) as caught:
        load_oracle(file)
    assert str(file) in str(caught.value)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # numpy's own file
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_truncated_file(share, tmp_path):
    file = tmp_path / "oracle.npz"
    np.savez(file, **made())
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    with pytest.raises(UserError, match=str(file)):
        load_oracle(file)


def test_a_drawn_oracle_is_a_function_of_its_seed_and_disturbs_nothing():
    state = torch.get_rng_state()
    one, two, other = draw_oracle(500, 3), draw_oracle(500, 3), draw_oracle(500, 4)
    assert torch.equal(state, torch.get_rng_state())
    assert torch.equal(one.embedding, two.embedding)
    assert not torch.equal(one.embedding, other.embedding)
    for parameter in (one.embedding, one.output_weight, one.input_weight[0]):
        assert parameter.std().item() == pytest.approx(1.0, abs=0.05)
    assert not any(p.requires_grad for p in one.parameters())


# -------------------------------------------------------------------------------- the released one


@pytest.fixture(scope="module")
def released():
    return data_folder("text") / "seqgan_oracle.npz"


def test_the_released_oracle_equals_its_cell(released):
    oracle = load_oracle(released)
    tokens = torch.randint(0, 5000, (20, 20))
    with np.load(released, allow_pickle=False) as arrays:
        expected = torch.from_numpy(numpy_cell(dict(arrays), tokens.numpy()))
    assert torch.allclose(oracle.log_prob(tokens).double(), expected, rtol=0, atol=1e-4)


def test_the_released_oracle_scores_as_published(released):
    """Its own samples 5.749, uniform tokens 11.427, the authors' file 5.761; nats a token."""
    oracle = load_oracle(released)
    assert nll(oracle, oracle.sample(4000, 20)) == pytest.approx(5.749, abs=0.02)
    assert nll(oracle, torch.randint(0, 5000, (1500, 20))) == pytest.approx(11.427, abs=0.05)
    with gzip.open(released.parent / "seqgan_oracle_train.txt.gz", "rt") as lines:
        rows = [[int(word) for word in line.split()] for line, _ in zip(lines, range(2000))]
    assert nll(oracle, torch.tensor(rows)) == pytest.approx(5.761, abs=0.02)
