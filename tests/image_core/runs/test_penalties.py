"""--penalty: what is named, how strong it is, and which recipes take what."""

import pytest
import torch

from image_core.adversarial import penalties, regularizers
from image_core.adversarial.errors import UserError
from image_core.runs.penalties import PENALTIES, make_penalty, parse_penalties

OTHERS = [name for name in PENALTIES if name not in penalties.__all__]


def test_terms_are_sorted_by_what_they_act_on():
    terms = parse_penalties("r1=1,l2=0.5 consensus=2,consistency=3")
    assert (terms.slopes, terms.weights) == ((("r1", 1.0),), (("l2", 0.5),))
    assert terms.coupling == ("consensus", 2.0)
    assert terms.consistency == 3
    assert parse_penalties("r1").slopes == (("r1", 10.0),)
    nothing = parse_penalties("")
    assert (nothing.slopes, nothing.weights, nothing.coupling) == ((), (), None)
    assert nothing.slope_penalty() is None


def test_gradient_penalties_add_up():
    """Of a linear critic of slope (3, 4), r1 = r2 = 25/2 times their weight."""
    slope, x = torch.tensor([3.0, 4.0]), torch.randn(5, 2)
    for made in (make_penalty("r1=1,r2=0.5"), parse_penalties("r1=1 r2=0.5").slope_penalty()):
        assert made is not None
        assert float(made(lambda x: x @ slope, x, x)) == pytest.approx(25 / 2 * 1.5)
    assert make_penalty("") is None


def test_every_penalty_and_regularizer_can_be_named():
    assert {*penalties.__all__, *regularizers.__all__} < set(PENALTIES)
    for name in PENALTIES:
        parse_penalties(f"{name}=1")


@pytest.mark.parametrize("parse", [parse_penalties, make_penalty])
@pytest.mark.parametrize("text", ["hope", "r1=-1", "r1=0", "r1=much", "r2=nan", "r1=1,r2=inf"])
def test_what_is_no_penalty_is_refused(parse, text):
    with pytest.raises(UserError, match=f"--penalty {text.split(',')[-1]}: "):
        parse(text)


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_gradient_penalty_is_refused_with_a_reason(name):
    with pytest.raises(UserError, match=f"--penalty {name} acts on .*gradient penalties only"):
        make_penalty(f"r1=1,{name}=1")


def test_two_couplings_are_refused():
    with pytest.raises(UserError, match="choose one"):
        parse_penalties("look_ahead=1,consensus=1")
