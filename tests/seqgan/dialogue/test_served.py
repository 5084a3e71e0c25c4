"""Replies of a generation server: their log-probabilities, their age, and the gradient on them."""

import math

import pytest
import torch
from torch import nn

from image_core.adversarial.errors import UserError
from seqgan.dialogue.served import Replies, ServedPolicy, ServedReply, served_loss, truncated_ratio


class Table(nn.Module):
    """One token of three, whatever the prompt."""

    def __init__(self, logits):
        super().__init__()
        self.logits = nn.Parameter(torch.tensor(logits))


class Server:
    """A server in this process, which may take up weights some updates late.

    Args:
        late: Updates that are held back.
    """

    def __init__(self, late=0):
        self.late, self.held, self.asked = late, [], []

    def update(self, weights, version):
        weights = {name: value.clone() for name, value in weights}
        self.held.append((weights["logits"].log_softmax(0), version))

    def generate(self, prompts, *, max_tokens):
        self.asked.append(len(prompts))
        log_prob, version = self.held[max(0, len(self.held) - 1 - self.late)]
        # Prompt n gets n tokens: what is drawn is known
        tokens = [[i % 3 for i in range(min(max_tokens, len(prompt)))] for prompt in prompts]
        return [ServedReply(row, [float(log_prob[t]) for t in row], version) for row in tokens]


def served(server, **options):
    return ServedPolicy(Table([0.0, 1.0, 2.0]), server, pad=9, max_tokens=3, **options)


def test_replies_keep_the_samplers_log_probabilities_and_version():
    policy = served(Server(late=1), max_staleness=1)
    with torch.no_grad():
        policy.model.logits.zero_()
    policy.updated()
    replies = policy.sample([[5], [5, 5, 5, 5]])
    assert replies.tokens.tolist() == [[0, 9, 9], [0, 1, 2]]
    assert replies.mask.tolist() == [[True, False, False], [True, True, True]]
    assert replies.version.tolist() == [0, 0]  # one behind, and with the weights of before
    before = torch.tensor([0.0, 1.0, 2.0]).log_softmax(0)
    assert torch.allclose(replies.sampler_log_prob[1], before)
    assert replies.sampler_log_prob[0, 1:].tolist() == [0, 0]


def test_too_old_replies_are_drawn_again_and_then_refused():
    server = Server(late=3)
    policy = served(server, max_staleness=2, tries=2)
    for _ in range(3):
        policy.updated()
    with pytest.raises(UserError, match=r"answers with version 0 of the policy, which has 3"):
        policy.sample([[5]])
    assert server.asked == [1, 1, 1]
    server.late = 2  # the update arrives
    assert policy.sample([[5]]).version.tolist() == [1]


def test_only_the_old_ones_are_drawn_again():
    server = Server()
    policy = served(server, max_staleness=0)
    policy.updated()
    plain, calls = server.generate, []

    def first_is_old(prompts, *, max_tokens):
        found = plain(prompts, max_tokens=max_tokens)
        calls.append([list(p) for p in prompts])
        return [found[0]._replace(version=0), *found[1:]] if len(calls) == 1 else found

    server.generate = first_is_old
    assert policy.sample([[5], [6, 6]]).version.tolist() == [1, 1]
    assert calls == [[[5], [6, 6]], [[5]]]


def test_the_server_is_updated_when_it_is_time():
    server = Server()
    policy = served(server, sync_every=2, max_staleness=1)
    for _ in range(4):
        policy.updated()
    assert [version for _, version in server.held] == [0, 2, 4]
    with pytest.raises(UserError, match="sync_every=3 leaves replies 2 updates old"):
        served(Server(), sync_every=3, max_staleness=1)


def one_each(mu):
    """Each of three tokens once, with the sampler's log-probabilities."""
    return Replies(
        torch.arange(3)[:, None],
        torch.ones(3, 1, dtype=torch.bool),
        mu.log_softmax(0)[:, None],
        torch.zeros(3, dtype=torch.int64),
    )


def expected_gradient(pi, mu, reward, cap):
    """Of the loss under mu, by enumeration: token a is drawn with probability mu(a)."""
    logits = pi.clone().requires_grad_()
    log_prob = logits.log_softmax(0)[:, None]
    loss, _ = served_loss(log_prob, reward * mu.softmax(0) * 3, one_each(mu), cap=cap)
    return torch.autograd.grad(loss, logits)[0]


def test_the_weighted_gradient_is_that_of_the_policy_itself():
    pi, mu = torch.tensor([0.0, 1.0, -1.0]), torch.tensor([1.0, 0.0, 0.5])
    reward = torch.tensor([1.0, -2.0, 0.5])
    logits = pi.clone().requires_grad_()
    exact = torch.autograd.grad(-(logits.softmax(0) * reward).sum(), logits)[0]
    assert torch.allclose(expected_gradient(pi, mu, reward, math.inf), exact, atol=1e-6)
    ratio = pi.softmax(0) / mu.softmax(0)
    assert ratio.max() > 2
    truncated = expected_gradient(pi, mu, reward, 2.0)
    assert not torch.allclose(truncated, exact, atol=1e-2)  # the cap's bias
    weight = mu.softmax(0) * ratio.clamp(max=2.0) * reward
    assert torch.allclose(truncated, weight.sum() * pi.softmax(0) - weight, atol=1e-6)


def test_weights_are_capped_logged_and_without_gradient():
    mu = torch.zeros(3)
    pi = torch.tensor([0.9, 0.05, 0.05]).log().requires_grad_()
    replies = one_each(mu)
    weight = truncated_ratio(pi[:, None], replies, cap=2.0)
    assert torch.allclose(weight[:, 0], torch.tensor([2.0, 0.15, 0.15]), atol=1e-5)
    assert not weight.requires_grad
    _, logs = served_loss(pi[:, None], torch.ones(3), replies, cap=2.0)
    assert float(logs["truncated"]) == pytest.approx(1 / 3)
    assert float(logs["importance_weight"]) == pytest.approx(2.3 / 3, rel=1e-5)
    unknown = replies._replace(sampler_log_prob=torch.full((3, 1), math.nan))
    assert truncated_ratio(pi[:, None], unknown).tolist() == [[1.0]] * 3


def test_log_probabilities_of_another_number_of_tokens_are_refused():
    server = Server()
    policy = served(server)
    server.generate = lambda prompts, *, max_tokens: [ServedReply([1, 2], [0.0], 0)]
    with pytest.raises(UserError, match="1 log-probabilities of 2 tokens"):
        policy.sample([[5]])


def test_a_server_that_dies_is_told_in_one_sentence():
    server = Server()
    policy = served(server)
    policy.sample([[5]])

    def gone(*given, **options):
        raise ConnectionResetError("peer\nis gone")

    server.generate = gone
    with pytest.raises(
        UserError, match=r"did not draw replies \(ConnectionResetError: peer is gone"
    ):
        policy.sample([[5]])
    server.update = gone
    with pytest.raises(UserError, match=r"did not take weights .* resume from the last checkpoint"):
        policy.updated()


def test_replies_of_weights_that_a_resumed_run_has_not_reached_are_drawn_again():
    server = Server()
    policy = served(server)
    server.held.append((torch.zeros(3).log_softmax(0), 7))
    with pytest.raises(UserError, match="answers with version 7 of the policy, which has 0"):
        policy.sample([[5]])


def test_forbidden_padding_is_no_part_of_the_loss():
    replies = Replies(
        torch.tensor([[0, 9]]),
        torch.tensor([[True, False]]),
        torch.tensor([[-1.0, 0.0]]),
        torch.zeros(1, dtype=torch.int64),
    )
    log_prob = torch.tensor([[-1.5, -math.inf]], requires_grad=True)
    loss, logs = served_loss(log_prob, torch.tensor([2.0]), replies)
    assert float(loss.detach()) == pytest.approx(math.exp(-0.5) * 2 * 1.5)
    assert float(logs["sampler_distance"]) == pytest.approx(0.5)
    (slope,) = torch.autograd.grad(loss, log_prob)
    assert slope[0].tolist() == pytest.approx([-2 * math.exp(-0.5), 0.0])
