"""The dialogue game's moves: gradients against enumeration, teacher, mixtures."""

from functools import partial

import pytest
import torch

from image_core.adversarial import estimators, losses
from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Turn
from seqgan.dialogue import credit
from seqgan.dialogue.discriminators import (
    DialogueDiscriminator,
    LanguageModelDiscriminator,
    StepDiscriminator,
    TransformerDiscriminator,
)
from seqgan.dialogue.game import DialogueGame, tiny
from seqgan.dialogue.generation import GenerationOptions
from seqgan.dialogue.language_models import CausalLMPolicy
from seqgan.dialogue.samples import importance
from tests.seqgan.dialogue.made import END, V, contexts, gpt2, policy_of, replies

sgd = partial(torch.optim.SGD, lr=0.0)


class Likes(DialogueDiscriminator):
    """The logit of a prefix: its last token's value, plus a weight so that something learns."""

    def __init__(self, value):
        super().__init__()
        self.value = value
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def forward(self, context, attention_mask, reply):
        return self.value[reply] + self.weight


def data(rows=4, seed=0):
    context, attention_mask = contexts(rows, seed=seed)
    return {"context": context, "attention_mask": attention_mask, "reply": replies(rows)}


def game_of(policy=None, discriminator=None, length=7, **options):
    policy = policy_of("gpt2") if policy is None else policy
    D = TransformerDiscriminator.like(gpt2()) if discriminator is None else discriminator
    return DialogueGame(policy, D, length, context_length=6, **options)


def one(game, *turns, rate=0.0, rows=4):
    engine = Engine(game, dict.fromkeys(game.players(), partial(torch.optim.SGD, lr=rate)))
    (logs,) = engine.rounds(lambda i: data(rows), 1, turns=turns or None)
    return {name: float(value) for name, value in logs.items()}


def gradient(game, rows=4, batch=None):
    """Of one policy move, by parameter."""
    game.zero_grad(set_to_none=True)
    loss = next(game.policy_move(iter([batch or data(rows)])))
    loss.total.backward()
    return torch.cat([p.grad.flatten() for p in game.G.parameters()])


def test_the_policy_gradient_is_that_of_the_expected_reward():
    """One token: the exact gradient by enumeration, against a mean over many samples."""
    torch.manual_seed(0)
    value = torch.randn(V)
    policy = policy_of("gpt2")
    game = game_of(
        policy, Likes(value), 1, credit=credit.sequence(credit.identity), samples=4000,
        baseline="leave_one_out",
    )  # fmt: skip
    batch = {name: tensor[:1] for name, tensor in data().items()}
    share = policy.read(batch["context"], batch["attention_mask"])[0].softmax(-1)
    exact = torch.autograd.grad(-(share * value).nan_to_num().sum(), list(policy.parameters()))
    exact = torch.cat([part.flatten() for part in exact])
    found = gradient(game, batch=batch)
    assert float(torch.cosine_similarity(found, exact, dim=0)) > 0.98
    assert float(found.norm() / exact.norm()) == pytest.approx(1.0, abs=0.1)


def test_the_mean_over_every_token_is_the_exact_gradient_whatever_was_drawn():
    torch.manual_seed(0)
    policy, discriminator = policy_of("gpt2"), StepDiscriminator.like(gpt2(), V)
    torch.nn.init.normal_(discriminator.head.weight)
    options = {"credit": credit.every_token(), "samples": 1, "baseline": "none", "pooling": "mean"}
    game = game_of(policy, discriminator.eval(), 1, **options)
    batch = {name: tensor[:1] for name, tensor in data().items()}
    share = policy.read(batch["context"], batch["attention_mask"])[0].softmax(-1)
    read = batch["context"], batch["attention_mask"]
    value = discriminator.values(*read, batch["reply"][:, :1])[0, 0]
    exact = torch.autograd.grad(-(share * value.detach()).sum(), list(policy.parameters()))
    exact = torch.cat([part.flatten() for part in exact])
    for _ in range(3):
        assert torch.allclose(gradient(game, batch=batch), exact, atol=1e-6)
    assert float(exact.norm()) > 0.01


def test_cold_samples_with_importance_weights_have_the_same_gradient(monkeypatch):
    torch.manual_seed(0)
    value = torch.randn(V)
    policy = policy_of("gpt2")
    batch = {name: tensor[:1] for name, tensor in data().items()}
    options = {"credit": credit.sequence(credit.identity), "samples": 4000}
    plain = game_of(policy, Likes(value), 1, **options)
    cold = game_of(policy, Likes(value), 1, cold=GenerationOptions(0.1), **options)
    share = policy.read(batch["context"], batch["attention_mask"])[0].softmax(-1)
    exact = torch.autograd.grad(-(share * value).nan_to_num().sum(), list(policy.parameters()))
    exact = torch.cat([part.flatten() for part in exact])

    def error(game):
        return float((gradient(game, batch=batch) - exact).norm() / exact.norm())

    assert error(plain) < 0.12
    assert error(cold) < 0.12
    monkeypatch.setattr(
        "seqgan.dialogue.samples.importance",
        lambda policy, logits, reply, mask, generations: torch.ones(len(reply)),
    )
    assert error(cold) > 0.3


def test_importance_weights_have_mean_one_under_the_mixture():
    policy = policy_of("gpt2")
    game = game_of(policy, length=3, samples=2000, cold=GenerationOptions(0.7))
    with torch.no_grad():
        drawn = game._draw({name: tensor[:1] for name, tensor in data().items()})
        logits = policy.logits(drawn.context, drawn.attention_mask, drawn.reply)
        mask = policy.mask(drawn.reply)
        weight = importance(policy, logits, drawn.reply, mask, game.generations)
    assert float(weight.mean()) == pytest.approx(1.0, abs=0.05)
    assert float(weight.max()) <= 2.001  # 1 / the share of plain samples


def test_the_teacher_takes_one_step_on_each_human_reply():
    game = game_of(samples=3, teacher_forcing=0.5)
    batch = data()
    list_of = list(game.policy_move(iter([batch])))
    assert len(list_of) == 2
    with torch.no_grad():
        mask = game.G.mask(batch["reply"])
        nll = game.G.nll(batch["context"], batch["attention_mask"], batch["reply"], mask)
    assert float(list_of[1].total.detach()) == pytest.approx(0.5 * float(nll), rel=1e-5)


def test_kl_to_the_start_is_zero_at_first_and_pulls_back_later():
    game = game_of(kl_coef=0.5, credit=credit.sequence(lambda d: torch.zeros_like(d)))
    assert float(next(game.policy_move(iter([data()]))).logs["kl"]) == 0.0
    with torch.no_grad():
        for parameter in game.G.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    torch.manual_seed(0)
    engine = Engine(game, {"G": partial(torch.optim.Adam, lr=3e-3)})
    turn = [Turn("G", game.policy_move)]
    kls = [float(logs["G/kl"]) for logs in engine.rounds(lambda i: data(16), 60, turns=turn)]
    assert sum(kls[-5:]) < 0.5 * sum(kls[:5])


@pytest.mark.parametrize("kl", ["k1", "k3"])
def test_an_adaptive_weight_grows_while_the_kl_is_above_its_target(kl):
    game = game_of(kl=kl, kl_coef=0.1, kl_target=0.01)
    with torch.no_grad():
        for parameter in game.G.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    one(game, Turn("G", game.policy_move), rows=16)
    assert float(game.kl_coef.beta) == pytest.approx(0.102, abs=1e-6)


def test_human_replies_are_mixed_in_with_a_reward_of_their_own_and_fade():
    game = game_of(samples=1, human_share=0.9, human_steps=2, baseline="none")
    batch = {name: tensor.repeat(100, 1) for name, tensor in data().items()}
    drawn = game._draw(batch)
    assert 0.8 < float((~drawn.written).float().mean()) < 0.97
    assert torch.equal(drawn.reply[~drawn.written], batch["reply"][~drawn.written])
    mask = game.G.mask(drawn.reply)
    logits = game.G.logits(drawn.context, drawn.attention_mask, drawn.reply).detach()
    advantage, _ = game._assess(drawn, mask, logits, logits[..., 3], None)
    assert (advantage[~drawn.written] == 2.0).all()
    assert not (advantage[drawn.written] == 2.0).any()
    game.moves.fill_(2)
    assert game._draw(batch).written.all()


def test_ppo_takes_several_steps_and_stops_where_the_ratio_is_clipped():
    game = game_of(
        estimator=estimators.clipped(0.2), policy_updates=5, samples=2,
        credit=credit.sequence(credit.identity),
    )  # fmt: skip
    engine = Engine(game, {"G": partial(torch.optim.Adam, lr=0.05)})
    torch.manual_seed(0)
    engine.play(Turn("G", game.policy_move), iter([data(8)]))
    assert engine.steps["G"] == 5


def test_at_sequence_level_a_reply_is_one_action():
    """Loss and gradient of a second step, against the formula over replies of several lengths."""
    torch.manual_seed(0)
    seen, value = [], torch.randn(V)
    whole = credit.sequence(credit.identity)
    game = game_of(
        None, Likes(value), credit=lambda e: seen.append(e.reply) or whole(e),
        estimator=estimators.clipped(0.2), policy_updates=2, samples=8, baseline="none",
        sequence_level=True,
    )  # fmt: skip
    move = game.policy_move(iter([data()]))
    first = float(next(move).total.detach())
    (reply,), many = seen, [part.repeat_interleave(8, 0) for part in contexts()]
    mask, old = game.G.mask(reply), game.G.log_prob(*many, reply).sum(1).detach()
    earned = value[reply.gather(1, mask.sum(1, keepdim=True) - 1)[:, 0]]
    assert mask.sum(1).unique().numel() > 2
    assert first == pytest.approx(-float(earned.mean()), rel=1e-5)
    with torch.no_grad():
        for weight in game.G.parameters():
            weight.add_(0.02 * torch.randn_like(weight))
    rho = (game.G.log_prob(*many, reply).sum(1) - old).exp()
    wanted = -torch.minimum(rho * earned, rho.clamp(0.8, 1.2) * earned).mean()
    assert 0 < int((rho > 1.2).sum() + (rho < 0.8).sum()) < len(rho)
    second = next(move).total
    torch.testing.assert_close(second, wanted)
    parameters = list(game.G.parameters())
    found, exact = (torch.autograd.grad(loss, parameters) for loss in (second, wanted))
    torch.testing.assert_close(found, exact, rtol=1e-4, atol=1e-6)


def test_a_length_weight_earns_less_for_another_length():
    free = game_of(samples=1, baseline="none", credit=credit.sequence(torch.zeros_like))
    game = game_of(
        samples=1, baseline="none", length_weight=2.0, credit=credit.sequence(torch.zeros_like)
    )
    context, attention_mask = contexts(2)
    human, reply = torch.full((2, 7), 5), torch.full((2, 7), 5)
    human[:, 1], reply[0, 1], reply[1, 3] = END, END, END
    batch = {"context": context, "attention_mask": attention_mask, "reply": human}
    drawn = free._draw(batch)._replace(reply=reply)
    logits = game.G.logits(context, attention_mask, reply).detach()
    advantage, _ = game._assess(drawn, game.G.mask(reply), logits, logits[..., 3], None)
    assert float(advantage[0, 0]) == 0.0
    assert float(advantage[1, 0]) == pytest.approx(-2 * 0.6931, abs=1e-3)


def test_the_discriminator_reuses_the_policys_samples_only_in_the_same_round():
    game = game_of(reuse=True, samples=2)
    list(game.policy_move(iter([data()])))
    assert game._drawn is not None
    stream = iter([data()])
    list(game.discriminator_move(stream))
    assert game._drawn is None
    next(stream)  # nothing was drawn from it
    list(game.discriminator_move(iter([data()])))


def test_the_discriminator_learns_to_tell():
    game = game_of(samples=1, baseline="none")
    engine = Engine(game, {"D": partial(torch.optim.Adam, lr=3e-3)})
    turn = [Turn("D", game.discriminator_move)]
    torch.manual_seed(0)
    accuracy = [
        float(logs["D/accuracy"]) for logs in engine.rounds(lambda i: data(16), 40, turns=turn)
    ]
    assert sum(accuracy[-5:]) / 5 > 0.9


@pytest.mark.parametrize("loss", losses.__all__)
@pytest.mark.parametrize("pooling", ["last", "mean", "prefix"])
def test_every_loss_and_pooling_plays_a_round(loss, pooling):
    game = game_of(loss=getattr(losses, loss), pooling=pooling, samples=2)
    logs = one(game, rate=0.01)
    assert logs["D/grad_norm"] > 0
    assert logs["G/grad_norm"] >= 0


def test_contradictions_are_refused():
    with pytest.raises(UserError, match="even number"):
        game_of(samples=3, cold=GenerationOptions(0.5))
    with pytest.raises(UserError, match="reuse"):
        game_of(reuse=True, human_share=0.5)
    with pytest.raises(UserError, match="LanguageModelDiscriminator"):
        game_of(
            discriminator=LanguageModelDiscriminator(policy_of("gpt2")),
            penalty=lambda c, r, f: r.sum(),
        )
    with pytest.raises(UserError, match="pooling"):
        game_of(pooling="jury")


def test_the_tiny_game_is_sound():
    game, batch = tiny()
    assert batch["attention_mask"].dtype == torch.bool
    assert len(list(game.policy_move(iter([batch])))) == 2


def test_a_step_discriminator_that_is_a_language_model_learns_as_one():
    """Its loss is the policy's own where it has the policy's weights, and only it moves."""
    model = gpt2(resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)
    policy = CausalLMPolicy(model, V, end=END, pad=0)
    discriminator = StepDiscriminator.like(model, V)
    with torch.no_grad():
        discriminator.head.weight.copy_(model.lm_head.weight)
    game = game_of(policy, discriminator, pooling="mean", d_mle=True)
    turn = Turn("d_mle", game.discriminator_mle_move)
    before = policy.model.lm_head.weight.clone()
    found = one(game, turn, rate=0.5)
    batch = data()
    with torch.no_grad():
        mask = policy.mask(batch["reply"])
        nll = policy.nll(batch["context"], batch["attention_mask"], batch["reply"], mask)
    assert found["d_mle/loss"] == pytest.approx(float(nll), rel=1e-5)
    assert one(game, turn)["d_mle/loss"] < found["d_mle/loss"] - 0.01
    assert torch.equal(policy.model.lm_head.weight, before)
    with pytest.raises(UserError, match="TransformerDiscriminator is no language model"):
        game_of(d_mle=True)
