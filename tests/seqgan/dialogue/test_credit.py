"""Rollouts, credit by enumeration or by hand, discriminators prefix by prefix, memory, KL."""

import pytest
import torch
import torch.nn.functional as F

from image_core.adversarial import penalties
from seqgan.dialogue import credit
from seqgan.dialogue.advantage import Advantage, KLCoefficient, k1, k3, length_cost
from seqgan.dialogue.credit import Episode
from seqgan.dialogue.discriminators import (
    DialogueDiscriminator,
    HierarchicalDiscriminator,
    LanguageModelDiscriminator,
    StepDiscriminator,
    TransformerDiscriminator,
    pool,
)
from seqgan.dialogue.rollout import complete_replies
from tests.seqgan.dialogue.made import END, KINDS, PAD, V, contexts, gpt2, policy_of, replies


def discriminator_of(kind):
    torch.manual_seed(3)
    match kind:
        case "transformer":
            discriminator = TransformerDiscriminator.like(gpt2())
        case "step":
            discriminator = StepDiscriminator.like(gpt2(), V)
        case "hierarchical":
            discriminator = HierarchicalDiscriminator(V, [3], 8, turns=3, turn_tokens=4)
        case "language_model":
            discriminator = LanguageModelDiscriminator(policy_of("gpt2", 5), cap=4.0)
    with torch.no_grad():
        for parameter in discriminator.parameters():
            if parameter.ndim > 1:
                parameter.mul_(2.0)
    return discriminator.eval()


DISCRIMINATORS = ("transformer", "step", "hierarchical", "language_model")


def episode(policy, discriminator, context, attention_mask, reply, pooling="last"):
    with torch.no_grad():
        logits = policy.logits(context, attention_mask, reply)
    return Episode(
        policy,
        discriminator,
        pooling,
        context,
        attention_mask,
        reply,
        policy.mask(reply),
        replies(),
        logits,
    )


class Likes(DialogueDiscriminator):
    """The logit of a prefix is how many of its tokens are even."""

    def forward(self, context, attention_mask, reply):
        return (reply % 2 == 0).float().cumsum(1)


@pytest.mark.parametrize("kind", DISCRIMINATORS)
@torch.no_grad()
def test_a_discriminator_judges_each_prefix_as_if_nothing_followed(kind):
    discriminator, (context, attention_mask), reply = discriminator_of(kind), contexts(), replies()
    whole = discriminator(context, attention_mask, reply)
    assert whole.shape == reply.shape
    for t in range(1, reply.shape[1] + 1):
        prefix = discriminator(context, attention_mask, reply[:, :t])
        assert torch.allclose(prefix, whole[:, :t], atol=1e-5)
    other = discriminator(context.roll(1, 0), attention_mask.roll(1, 0), reply)
    assert not torch.allclose(other, whole, atol=1e-3)


@pytest.mark.parametrize("kind", ["transformer", "hierarchical", "language_model"])
@torch.no_grad()
def test_a_discriminator_does_not_see_padding(kind):
    discriminator, (context, attention_mask), reply = (
        discriminator_of(kind),
        contexts(),
        replies().clamp(min=3),
    )
    context = torch.where(attention_mask, context, 3)  # which would begin a turn
    whole = discriminator(context, attention_mask, reply)
    wide = discriminator(F.pad(context, (4, 0), value=3), F.pad(attention_mask, (4, 0)), reply)
    assert torch.allclose(whole, wide, atol=1e-5)


@torch.no_grad()
def test_the_hierarchical_discriminator_reads_turns_one_by_one():
    discriminator = discriminator_of("hierarchical")
    context = torch.tensor([[PAD, 3, 5, 6, 3, 7, 8, 9]])
    attention_mask = context != PAD
    vectors = discriminator._turn_vectors(context, attention_mask)
    alone = [discriminator.turn(discriminator.embedding(torch.tensor([t])))[0][0, -1] for t in
             ([3, 5, 6], [3, 7, 8, 9])]  # fmt: skip
    assert torch.equal(vectors[0, 0], torch.zeros(8))
    assert torch.allclose(vectors[0, 1], alone[0], atol=1e-6)
    assert torch.allclose(vectors[0, 2], alone[1], atol=1e-6)


def test_pooled_outputs_of_a_reply():
    scores = torch.tensor([[1.0, 2.0, 4.0], [3.0, 5.0, 99.0]])
    mask = torch.tensor([[True, True, True], [True, True, False]])
    assert pool(scores, mask, "last").tolist() == [4.0, 5.0]
    assert torch.allclose(pool(scores, mask, "mean"), torch.tensor([7 / 3, 4.0]))
    assert pool(scores, mask, "prefix").tolist() == [4.0, 5.0]
    torch.manual_seed(0)
    drawn = torch.stack([pool(scores, mask, "prefix", learning=True) for _ in range(900)])
    for row, values in ((0, (1.0, 2.0, 4.0)), (1, (3.0, 5.0))):
        shares = [float((drawn[:, row] == value).float().mean()) for value in values]
        assert sum(shares) == pytest.approx(1.0)
        assert all(abs(share - 1 / len(values)) < 0.06 for share in shares)


@pytest.mark.parametrize("kind", KINDS)
def test_every_prefix_is_completed_in_one_growing_batch(kind):
    policy, (context, attention_mask), reply = policy_of(kind), contexts(), replies()
    torch.manual_seed(0)
    done = complete_replies(policy, context, attention_mask, reply, 2)
    assert done.tokens.shape == (6, 2, 4, 7)
    assert done.calls == 7  # one of them reads the context
    mask = policy.mask(reply)
    for t in range(1, 7):
        for copy in done.tokens[t - 1]:
            assert torch.equal(copy[:, :t], reply[:, :t])
            ended = mask.sum(1) <= t
            over = ended & (reply == END).any(1)
            assert torch.equal(copy[over], reply[over])
            after = ~policy.mask(copy)
            assert (copy[after] == PAD).all()


@torch.no_grad()
def test_completions_that_do_not_fit_at_once_are_made_some_samples_at_a_time(monkeypatch):
    policy, (context, attention_mask), reply = policy_of("gpt2"), contexts(), replies()
    widest, step = [], type(policy).step

    def spied(self, tokens, state):
        widest.append(len(tokens))
        return step(self, tokens, state)

    monkeypatch.setattr(type(policy), "step", spied)
    whole = complete_replies(policy, context, attention_mask, reply, 2, most=10_000)
    assert max(widest) == 4 * (1 + 2 * 5)
    widest.clear()
    parts = complete_replies(policy, context, attention_mask, reply, 2, most=12)
    assert max(widest) == 1 + 2 * 5
    assert parts.tokens.shape == whole.tokens.shape
    assert parts.calls == 4 * whole.calls
    for t in range(1, 7):
        assert torch.equal(parts.tokens[t - 1, :, :, :t], reply[:, :t].expand(2, -1, -1))


def test_rollout_reward_is_the_expectation_over_the_policys_completions():
    """Length 2: after the first token the exact mean over all second tokens."""
    policy, (context, attention_mask) = policy_of("gpt2"), contexts(2)
    reply = torch.tensor([[5, 7], [8, 4]])
    discriminator = Likes()
    torch.manual_seed(0)
    earned = credit.rollouts(3000, lambda logit: logit)(
        episode(policy, discriminator, context, attention_mask, reply)
    )
    with torch.no_grad():
        share = policy.logits(context, attention_mask, reply)[:, 1].softmax(-1)
    even = (torch.arange(V) % 2 == 0).float()
    expected = (reply[:, 0] % 2 == 0).float() + share @ even
    assert torch.allclose(earned[:, 0], expected, atol=0.05)
    assert earned[:, 1].tolist() == [0.0, 2.0]


@torch.no_grad()
def test_credits_by_hand():
    policy, (context, attention_mask) = policy_of("gpt2"), contexts(1)
    reply = torch.tensor([[4, 5, 6, END, PAD]])
    e = episode(policy, Likes(), context, attention_mask, reply)._replace(
        human=torch.tensor([[4, 6, END]])
    )
    same = credit.identity
    assert credit.sequence(same)(e)[0, :4].tolist() == [3.0] * 4
    assert credit.dense(same)(e)[0, :4].tolist() == [1.0, 1.0, 2.0, 3.0]
    assert credit.potential(same)(e)[0, :4].tolist() == [3.0, 2.0, 2.0, 1.0]
    to_go = credit.to_go(same)(e)[0, :4]
    assert torch.allclose(to_go, torch.tensor([7 / 4, 6 / 3, 5 / 2, 3.0]))
    assert torch.allclose(credit.paired()(e)[0, 0], torch.tensor(0.5))


@torch.no_grad()
def test_the_potential_form_telescopes_to_the_last_output():
    policy, discriminator = policy_of("gpt2"), discriminator_of("transformer")
    (context, attention_mask), reply = contexts(), replies()
    e = episode(policy, discriminator, context, attention_mask, reply)
    to_go = credit.potential()(e)
    step = to_go - F.pad(to_go[:, 1:], (0, 1))
    phi = torch.sigmoid(e.scores())
    assert torch.allclose(to_go[:, 0], pool(phi, e.mask, "last"), atol=1e-6)
    assert torch.allclose(step[:, 1], (phi[:, 1] - phi[:, 0]), atol=1e-6)


@torch.no_grad()
def test_stepgan_advantages_have_mean_zero_under_the_policy():
    policy, discriminator = policy_of("gpt2"), discriminator_of("step")
    context, attention_mask = (part[:1].repeat(V, 1) for part in contexts())
    reply = torch.arange(V)[:, None]
    e = episode(policy, discriminator, context, attention_mask, reply)
    advantage = credit.advantage()(e)[:, 0]
    share = e.logits[0, 0].softmax(-1)
    assert abs(float((share * advantage).sum())) < 1e-5
    assert float(advantage.abs().max()) > 0.01


@torch.no_grad()
def test_baselines():
    reward = torch.tensor([[1.0, 2.0], [3.0, 9.0], [5.0, 6.0], [7.0, 8.0]])
    mask = torch.tensor([[True, True], [True, False], [True, True], [True, True]])
    out = Advantage("leave_one_out", 2)(reward, mask)
    assert out[0].tolist() == [-2.0, 2.0]  # nobody else has a second token
    assert out[2].tolist() == [-2.0, -2.0]
    grouped = Advantage("group_normalised", 2)(reward[:, :1].expand(4, 2), mask)
    assert torch.allclose(grouped[:, 0], torch.tensor([-1.0, 1.0, -1.0, 1.0]), atol=1e-3)
    running = Advantage("running", 1)
    running(reward, mask)
    kept = reward[mask]
    assert torch.allclose(running.mean, kept.mean())
    assert (running(reward * 100, mask).abs() <= 2).all()


def test_kl_estimators_agree_with_the_exact_kl_and_beta_adapts():
    torch.manual_seed(0)
    p, q = torch.randn(6).log_softmax(-1), torch.randn(6).log_softmax(-1)
    exact = float((p.exp() * (p - q)).sum())
    assert float((p.exp() * k1(p, q)).sum()) == pytest.approx(exact, abs=1e-6)
    assert float((p.exp() * k3(p, q)).sum()) == pytest.approx(exact, abs=1e-6)
    assert (k3(p, q) >= 0).all()
    weight = KLCoefficient(0.1, 2.0)
    weight.adapt(torch.tensor(100.0))
    assert float(weight.beta) == pytest.approx(0.102)
    weight.adapt(torch.tensor(1.9))
    assert float(weight.beta) == pytest.approx(0.102 * (1 - 0.1 * 0.05))


def test_length_costs_the_same_both_ways():
    mask, human = replies(3, 8) != PAD, replies(3, 8) != PAD
    assert length_cost(mask, human).tolist() == [0.0] * 3
    one, two = torch.tensor([[True, False]]), torch.tensor([[True, True]])
    assert torch.allclose(length_cost(one, two), length_cost(two, one))
    assert float(length_cost(one, two)) == pytest.approx(0.6931, abs=1e-4)


@torch.no_grad()
def test_the_language_model_discriminator_is_surprised_up_to_its_cap():
    discriminator, (context, attention_mask), reply = (
        discriminator_of("language_model"),
        contexts(),
        replies(),
    )
    scores = discriminator(context, attention_mask, reply)
    own = -discriminator.model.log_prob(context, attention_mask, reply)
    assert (scores <= 4.0).all()
    assert torch.equal(scores, own.clamp(max=4.0))
    assert (own[discriminator.model.mask(reply)] > 4.0).any()


@pytest.mark.parametrize("kind", ["transformer", "hierarchical"])
@pytest.mark.parametrize("name", penalties.__all__)
def test_every_penalty_moves_an_embedded_discriminator(kind, name):
    discriminator, (context, attention_mask), reply = discriminator_of(kind), contexts(), replies()
    with torch.no_grad():
        discriminator.head.weight.mul_(100.0)  # steeper than any penalty forgives
    mask = torch.ones_like(reply, dtype=torch.bool)
    cost = getattr(penalties, name)()(
        lambda x: pool(discriminator.score(context, attention_mask, x), mask, "last"),
        discriminator.embed(reply),
        discriminator.embed(reply.roll(1, 0)),
    )
    cost.backward()
    assert float(cost.detach()) > 0
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in discriminator.parameters())
