"""The decipherment recipe: networks by hand, a tiny run, its files, what is refused in words."""

import pytest
import torch

import seqgan as sg
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from seqgan.cli import main
from seqgan.decipher import recipe as decipher
from seqgan.decipher.measures import read, right, soft
from seqgan.decipher.nets import LetterMap, PairDiscriminator
from seqgan.decipher.recipe import Run
from tests.recipes.made import built, read_log, read_result, refusal

TINY = ("train", "decipher", "--preset", "tiny")


def made(**changes):
    return built(decipher, "tiny", "ciphergan", **{"out": "run", **changes})


@pytest.fixture(autouse=True)
def _no_plots(monkeypatch):
    monkeypatch.setattr(decipher.plots, "learning_curves", lambda *_: None)


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """A file of lines of letters in which pairs are telling."""
    draw, state, found = torch.Generator().manual_seed(0), 0, []
    after = torch.tensor(
        [[0.05, 0.8, 0.1, 0.05], [0.1, 0.05, 0.8, 0.05], [0.3, 0.1, 0.1, 0.5], [0.7, 0.1, 0.1, 0.1]]
    )
    for _ in range(8_000):
        state = int(torch.multinomial(after[state], 1, generator=draw))
        found.append("ABcd"[state])
    file = tmp_path_factory.mktemp("text") / "text.txt"
    lines = ["".join(found[i : i + 80]) + " !" for i in range(0, 8_000, 80)]
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def run(text, tmp_path_factory):
    out = tmp_path_factory.mktemp("decipher") / "run"
    words = ["--data", str(text), "--alphabet", "abcd", "--out", str(out)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(decipher.plots, "learning_curves", lambda *_: None)
        assert main([*TINY, *words]) == 0
    return out


def test_networks_read_the_table_of_their_place():
    torch.manual_seed(0)
    G, D = LetterMap(4, 3), PairDiscriminator(4, 3)
    rows = torch.randint(4, (2, 7))
    x, made_of, logits = soft(rows, 4), None, D(soft(rows, 4))
    made_of = G(x)
    assert logits.shape == (2, 6)
    for n in range(2):
        for t in range(7):
            expected = (10 * G.tables[t % 3, :, rows[n, t]]).softmax(0)
            assert torch.allclose(made_of[n, :, 0, t], expected)
        for t in range(6):
            one, other = rows[n, t], rows[n, t + 1]
            expected = D.pairs[t % 3, one, other] + D.singles[t % 3, one]
            assert logits[n, t].item() == pytest.approx(expected.item(), abs=1e-6)
    half = (x + x.roll(1, 3)) / 2  # linear in one letter, with its neighbours as they are
    mixed = torch.where(torch.arange(7) == 3, half, x)
    moved = torch.where(torch.arange(7) == 3, x.roll(1, 3), x)
    assert torch.allclose(D(mixed), (D(x) + D(moved)) / 2, atol=1e-6)


@pytest.mark.parametrize("cipher", ["substitution", "vigenere"])
def test_the_right_tables_read_everything_and_come_back(text, cipher):
    """What the game looks for is where its round trips cost nothing and every letter is right."""
    own = Run(made(data=str(text), alphabet="abcd", cipher=cipher, key="bad", batch=50))
    tables = own.cipher.tables
    eye = 5 * torch.eye(4)
    with torch.no_grad():
        own.game.ab.tables.copy_(eye[tables])
        own.game.ba.tables.copy_(eye[tables.argsort(1)])
    true = own.sets.test
    assert right(read(own.game, own.cipher.encipher(true), 4), true)[0] == 1
    (loss,) = own.game.generator_move(iter([own.data(0)]))
    assert (loss.logs["cycle_a"] + loss.logs["cycle_b"]).item() < 1e-6
    assert own.game.cycle == pytest.approx(0.05 * 4)


def test_a_run_leaves_its_table_beside_rivals(run):
    result = read_result(run)
    names = ["CipherGAN", "cipher text as it is", "order of frequencies", "EM on pairs of letters"]
    assert list(result["table"]) == [*names, "real again"]
    assert result["table"]["real again"]["accuracy"] == 1
    assert set(result["discriminator"]) == {"d_auc", "d_accuracy"}
    assert result["data"]["cipher_rows"] == 400
    assert {"valid_near_train", "test_near_train"} < set(result["data"])
    assert result["alarms"] == []
    assert [row["phase"] for row in read_log(run)] == ["adversarial"] * 3
    lines = (run / "samples" / "read.txt").read_text("utf-8").splitlines()
    assert len(lines) == 5 * 6
    truth, unread = lines[5].split()[0], lines[0].split()[0]
    assert sg.load(run).encipher(truth) == unread


def test_cipher_text_is_read_from_the_command_line(run, capsys):
    loaded = sg.load(run)
    assert main(["sample", str(run), "--prompt", "a b!c"]) == 0
    assert capsys.readouterr().out == loaded.decipher("abc") + "\n"
    with pytest.raises(UserError, match="no letter of abcd"):
        loaded.decipher("xyz")
    assert "by --prompt" in refusal(capsys, "sample", str(run))
    assert "leave --labels out" in refusal(capsys, "sample", str(run), "--labels", "a")


def test_runs_on_one_text_are_compared(run, text, tmp_path):
    other, out = tmp_path / "other", tmp_path / "both"
    words = ["--data", str(text), "--alphabet", "abcd", "--seed", "1", "--out", str(other)]
    assert main([*TINY, *words]) == 0
    assert main(["compare", str(run), str(other), "--out", str(out)]) == 0
    table = read_result(out)["table"]
    assert set(read_result(run)["table"]) - set(table) == {"CipherGAN"}
    assert len(table) == 5


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"alphabet": "aab"}, "each once"),
        ({"alphabet": "abC"}, "small letters"),
        ({"cipher": "enigma"}, "--cipher enigma"),
        ({"cipher": "vigenere", "key": "k3y"}, "--key 'k3y'"),
        ({"length": 1}, "--length 1"),
        ({"loss": "hope"}, "hope"),
        ({"penalty": "hope=1"}, "hope"),
    ],
)
def test_wrong_options_are_refused_in_words(changes, says):
    with pytest.raises(UserError, match=says):
        made(**changes)


def test_both_alarms_of_a_discriminator_are_set(text):
    (phase,) = Run(made(data=str(text), alphabet="abcd")).phases()
    assert {limit.metric for limit in phase.limits} == {"d_auc", "d_accuracy"}


def test_a_key_of_three_letters_has_three_tables(text):
    o = made(data=str(text), alphabet="abcd", cipher="vigenere", key="bad")
    own = Run(o)
    assert own.game.ab.tables.shape == (3, 4, 4)
    engine: Engine = own.engine
    engine.run(own.data, 1)
    assert engine.steps == {"G": 1, "DA": 1, "DB": 1}


@pytest.mark.parametrize("preset", [name for name in decipher.PRESETS if name != "tiny"])
def test_every_preset_makes_its_configuration(preset):
    config = built(decipher, preset, "ciphergan", out="run")
    own = decipher.PRESETS[preset]
    assert {name: getattr(config, name) for name in own} == own
