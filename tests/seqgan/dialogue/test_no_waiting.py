"""A move of the dialogue game asks nothing back from the device, not once a token or at all.

As in `tests/seqgan/text/test_on_device.py`, on a device that stands in for a GPU.
"""

import copy
import functools
import itertools

import pytest
import torch

from image_core.adversarial.engine import Engine
from image_core.adversarial.game import Turn
from seqgan.dialogue import credit, language_models
from seqgan.dialogue.discriminators import (
    HierarchicalDiscriminator,
    LanguageModelDiscriminator,
    StepDiscriminator,
    TransformerDiscriminator,
)
from seqgan.dialogue.game import DialogueGame
from seqgan.dialogue.generation import GenerationOptions
from seqgan.dialogue.language_models import (
    CausalLMPolicy,
    Seq2SeqLMPolicy,
    ready_mask,
    ready_masks,
)
from tests.seqgan.dialogue.made import (
    END,
    V,
    bart,
    contexts,
    gpt2,
    llama,
    policy_of,
    replies,
    sharpen,
    t5,
)
from tests.stand_in import stand_in

adam = functools.partial(torch.optim.Adam, lr=1e-3)
B, C, T = 4, 6, 7


@pytest.fixture(autouse=True)
def _waits_for_nothing(heard):
    with stand_in.here():
        yield
    assert not heard


def batch():
    like = functools.partial(torch.zeros, dtype=torch.int64, device="meta")
    attention_mask = torch.ones(B, C, dtype=torch.bool, device="meta")
    return {"context": like(B, C), "attention_mask": attention_mask, "reply": like(B, T)}


METHODS = ("dense", "every_token", "rollouts", "sequence", "to_go")


@pytest.mark.parametrize(("method", "player"), [
    *itertools.product(METHODS, ("mle", "G", "D")), ("every_token", "d_mle"),
])  # fmt: skip
def test_a_move_asks_nothing_back(method, player):
    model = llama() if method == "dense" else gpt2()
    step = method == "every_token"
    policy = CausalLMPolicy(model, V, end=END, pad=0, forbidden=[0, 1])
    match method:
        case "every_token":
            discriminator = StepDiscriminator.like(model, V)
        case "sequence":
            discriminator = HierarchicalDiscriminator(V, [3, 4], 8, turns=2, turn_tokens=5)
        case "to_go":
            discriminator = LanguageModelDiscriminator(copy.deepcopy(policy))
        case _:
            discriminator = TransformerDiscriminator.like(model)
    options = {"pooling": "mean", "baseline": "none"} if step else {"pooling": "prefix"}
    game = DialogueGame(
        policy, discriminator, T, context_length=C, credit=getattr(credit, method)(),
        teacher_forcing=1.0, kl_coef=0.1, buffer_size=8,
        generation=GenerationOptions(0.9, top_k=5, top_p=0.9, min_length=2), d_mle=step, **options,
    ).to("meta")  # fmt: skip
    engine = Engine(game, {player: adam}, clip={player: 1.0})
    moves = {
        "mle": game.mle_move, "G": game.policy_move, "D": game.discriminator_move,
        "d_mle": game.discriminator_mle_move,
    }  # fmt: skip
    logs = engine.play(Turn(player, moves[player]), iter([batch()]))
    assert f"{player}/loss" in logs


@pytest.mark.parametrize("player", ["mle", "G", "D"])
@pytest.mark.parametrize("made", [bart, t5])
def test_a_move_of_an_encoder_decoder_asks_nothing_back(made, player):
    game = DialogueGame(
        Seq2SeqLMPolicy(made(), V, end=END, pad=0, forbidden=[0]),
        TransformerDiscriminator.like(gpt2()), T, context_length=C, credit=credit.rollouts(),
        generation=GenerationOptions(0.9, top_p=0.9, min_length=2),
    ).to("meta")  # fmt: skip
    engine = Engine(game, {player: adam})
    moves = {"mle": game.mle_move, "G": game.policy_move, "D": game.discriminator_move}
    assert f"{player}/loss" in engine.play(Turn(player, moves[player]), iter([batch()]))


@pytest.mark.parametrize("made", [bart, t5])
def test_ready_masks_of_an_encoder_decoder_say_the_same(made, monkeypatch):
    torch.manual_seed(0)
    policy = sharpen(Seq2SeqLMPolicy(made(), V, end=END, pad=0, forbidden=[0]))
    context, attention_mask = contexts(rows=4, columns=C)
    reply = replies(rows=4, length=T)
    plain = policy.logits(context, attention_mask, reply)
    written = policy.sample(context, attention_mask, T, GenerationOptions(0.0))
    monkeypatch.setattr(language_models, "masks_for", lambda m, *sizes: ready_masks(*sizes))
    assert torch.allclose(policy.logits(context, attention_mask, reply), plain, atol=1e-5)
    assert torch.equal(policy.sample(context, attention_mask, T, GenerationOptions(0.0)), written)
    assert not torch.equal(attention_mask, torch.ones_like(attention_mask))


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_a_ready_mask_says_what_transformers_would_have_made_of_the_padding(kind, monkeypatch):
    policy = policy_of(kind)
    context, attention_mask = contexts(rows=4, columns=C)
    reply = replies(rows=4, length=T)
    plain = policy.logits(context, attention_mask, reply)
    written = policy.sample(context, attention_mask, T, GenerationOptions(0.0))
    monkeypatch.setattr(
        language_models, "mask_for", lambda m, attention_mask, n: ready_mask(attention_mask, n)
    )
    assert torch.allclose(policy.logits(context, attention_mask, reply), plain, atol=1e-5)
    assert torch.equal(policy.sample(context, attention_mask, T, GenerationOptions(0.0)), written)
    blind = ready_mask(torch.ones_like(attention_mask), C)
    assert not torch.equal(ready_mask(attention_mask, C), blind)
