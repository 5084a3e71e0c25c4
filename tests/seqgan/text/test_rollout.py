"""Completions against the conditional distribution of a policy small enough to enumerate."""

import math

import pytest
import torch

from seqgan.text.discriminators import CNNDiscriminator, SequenceDiscriminator
from seqgan.text.rewards import rollout_reward, sentence_reward
from seqgan.text.rollout import complete_sequences
from tests.seqgan.lm.enumeration import counted, everything, tiny_policy, too_far

LENGTH = 4


def policy_and_samples(end, count=6):
    """Of four tokens; with an end there are samples of every length."""
    policy = tiny_policy(5 if end else 3, end)
    samples = policy.sample(500, LENGTH)
    lengths = policy.mask(samples).sum(1)
    picked = [samples[lengths == n][:2] for n in lengths.unique()]
    chosen = torch.cat(picked) if end else samples[:count]
    assert not end or set(lengths.tolist()) == {1, 2, 3, 4}
    return policy, chosen


def places(completions, samples, copies):
    """Prefix length and sample of each completion."""
    prefix = completions.row // (copies * len(samples)) + 1
    return prefix, completions.row % len(samples)


@pytest.mark.parametrize("end", [None, 2])
def test_prefixes_are_kept(end):
    policy, samples = policy_and_samples(end)
    completions = complete_sequences(policy, samples, 3)
    prefix, sample = places(completions, samples, 3)
    inside = torch.arange(LENGTH) < prefix[:, None]
    assert (completions.tokens == samples[sample])[inside].all()
    assert completions.tokens.shape == (len(completions.row), LENGTH)
    assert not torch.equal(completions.tokens, samples[sample])


def test_every_prefix_is_completed_equally_often():
    policy, samples = policy_and_samples(None)
    completions = complete_sequences(policy, samples, 3)
    assert completions.row.tolist() == list(range((LENGTH - 1) * 3 * len(samples)))


@pytest.mark.parametrize("end", [None, 2])
def test_a_block_shares_the_value_of_the_prefix_that_ends_it(end):
    """A policy that always continues in the same way, so that no value depends on chance."""
    policy, samples = policy_and_samples(end)
    found = complete_sequences(policy, samples, 2, every=2)
    assert set(places(found, samples, 2)[0].tolist()) == {2}
    policy.output_bias[4 if end else 1] = 1e4
    D = CNNDiscriminator(policy.vocab, 4, ((1, 3), (2, 3)), end=end)
    single, of_blocks = (rollout_reward(2, every=n)(policy, D, samples) for n in (1, 2))
    last = policy.mask(samples).sum(1) - 1
    for row, stop in zip(range(len(samples)), last.tolist(), strict=True):
        expected = [single[row, min(t // 2 * 2 + 1, stop)] for t in range(stop + 1)]
        torch.testing.assert_close(of_blocks[row, : stop + 1], torch.stack(expected))
    assert not torch.equal(single, of_blocks)


def test_prefixes_that_have_ended_are_left_out():
    policy, samples = policy_and_samples(2)
    completions = complete_sequences(policy, samples, 3)
    prefix, sample = places(completions, samples, 3)
    found = torch.stack([prefix, sample], 1).tolist()
    lengths = policy.mask(samples).sum(1).tolist()
    ended = [2 in row for row in samples.tolist()]
    for number, (length, has_end) in enumerate(zip(lengths, ended)):
        for t in range(1, LENGTH):
            open_prefix = t < length if has_end else True
            assert found.count([t, number]) == (3 if open_prefix else 0)
    assert completions.row.unique().numel() == completions.row.numel()


def test_nothing_follows_an_end():
    policy, samples = policy_and_samples(2)
    tokens = complete_sequences(policy, samples, 50).tokens
    assert (tokens[~policy.mask(tokens)] == policy.pad).all()
    assert not (tokens[policy.mask(tokens)] == policy.pad).any()
    assert (policy.mask(tokens).sum(1) < LENGTH).any()


@pytest.mark.parametrize("end", [None, 2])
def test_completions_follow_the_conditional_distribution(end):
    """Of every prefix of every sample: what was drawn, counted, against p(y) / p(prefix)."""
    copies = 3000
    policy, samples = policy_and_samples(end)
    sequences, probability = everything(policy, LENGTH)
    completions = complete_sequences(policy, samples, copies)
    prefix, sample = places(completions, samples, copies)
    tested = 0
    for number, row in enumerate(samples):
        for t in range(1, LENGTH):
            tokens = completions.tokens[(prefix == t) & (sample == number)]
            if len(tokens):
                possible = (sequences[:, :t] == row[:t]).all(1)
                conditional = probability[possible] / probability[possible].sum()
                assert abs(too_far(counted(tokens, sequences[possible]), conditional)) < 5
                tested += 1
    assert tested >= 9


def test_copies_differ_and_do_not_touch_the_samples():
    policy, samples = policy_and_samples(None)
    before = samples.clone()
    tokens = complete_sequences(policy, samples, 20).tokens.view(
        LENGTH - 1, 20, len(samples), LENGTH
    )
    assert torch.equal(samples, before)
    assert all(len(tokens[0, :, b].unique(dim=0)) > 3 for b in range(len(samples)))


# ------------------------------------------------------------------------------------------ rewards


class TableCritic(SequenceDiscriminator):
    """A logit by hand: a number for each token at each place that counts."""

    def __init__(self, vocab, end):
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        self.table = 1.5 * torch.randn(LENGTH, vocab, generator=generator)
        self.end = end

    def forward(self, tokens):
        ended = (tokens == self.end).cumsum(1) - (tokens == self.end).long() if self.end else 0
        values = self.table[torch.arange(tokens.shape[1]), tokens]
        return (values * torch.as_tensor(ended == 0)).sum(1)

    def scorer(self):
        return self

    def embed(self, tokens):
        raise NotImplementedError

    def score(self, embedded, lengths):
        raise NotImplementedError

    def lengths(self, tokens):
        raise NotImplementedError

    def regularizer(self):
        raise NotImplementedError


@pytest.mark.parametrize("transform", [torch.sigmoid, torch.exp])
@pytest.mark.parametrize("end", [None, 2])
def test_rollout_reward_is_the_conditional_expectation(end, transform):
    """Each position within five standard errors, the last one exactly."""
    copies = 4000
    policy, samples = policy_and_samples(end)
    critic = TableCritic(policy.vocab, end)
    sequences, probability = everything(policy, LENGTH)
    values = transform(critic(sequences)).double()
    reward = rollout_reward(copies, transform)(policy, critic, samples)
    assert reward.shape == samples.shape
    mask = policy.mask(samples)
    for b, row in enumerate(samples):
        last = int(mask[b].sum()) - 1
        assert torch.equal(reward[b, last], transform(critic(row[None]))[0])
        for t in range(last):
            possible = (sequences[:, : t + 1] == row[: t + 1]).all(1)
            p = probability[possible] / probability[possible].sum()
            mean = (p * values[possible]).sum()
            error = ((p * (values[possible] - mean) ** 2).sum() / copies).sqrt()
            assert error > 0
            assert abs(reward[b, t] - mean) < 5 * error


def test_one_completion_is_enough_and_rewards_carry_no_gradient():
    policy, samples = policy_and_samples(2)
    policy.requires_grad_()
    critic = TableCritic(policy.vocab, 2)
    critic.table.requires_grad_()
    reward = rollout_reward(1)(policy, critic, samples)
    assert not reward.requires_grad
    assert ((reward > 0) & (reward < 1)).all()


def test_sentence_reward_is_one_verdict_for_all_tokens():
    policy, samples = policy_and_samples(2)
    critic = TableCritic(policy.vocab, 2)
    reward = sentence_reward()(policy, critic, samples)
    for row, own in zip(samples, reward):
        verdict = 1 / (1 + math.exp(-float(critic(row[None]))))
        assert own.tolist() == pytest.approx([verdict] * LENGTH, rel=1e-5)


@pytest.mark.parametrize("width", [1, LENGTH])
def test_all_samples_ended_at_once(width):
    """Sequences of one token, trimmed or not: the reward is D(y)."""
    policy, _ = policy_and_samples(2)
    critic = CNNDiscriminator(policy.vocab, 3, ((1, 2), (2, 2)), end=2).eval()
    samples = torch.tensor([[2, 0, 0, 0]] * 3)[:, :width]
    reward = rollout_reward(2)(policy, critic, samples)
    assert torch.equal(reward[:, 0], torch.sigmoid(critic(samples)))
