"""The transformer policy: its cache, its density, its rollouts."""

import pytest
import torch

from image_core.adversarial.errors import UserError
from seqgan.lm.transformer import TransformerPolicy
from seqgan.text.rollout import complete_sequences
from tests.seqgan.lm.enumeration import counted, everything, too_far


def made(end: int | None = None, **changes) -> TransformerPolicy:
    """A small transformer whose choices depend strongly on what came before."""
    torch.manual_seed(0)
    policy = TransformerPolicy(6, 4, 8, start=1, end=end, pad=0, **{"heads": 2, **changes})
    for parameter in policy.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.6)
    return policy.eval().requires_grad_(False)


def test_a_step_with_the_cache_predicts_what_reading_the_whole_sequence_does():
    policy = made()
    tokens = torch.randint(0, 6, (3, 9), generator=torch.Generator().manual_seed(1))
    state, previous, hidden = policy.begin(3), torch.ones(3, dtype=torch.int64), []
    for t in range(9):
        now, state = policy.step(previous, state)
        hidden.append(policy.logits(now).log_softmax(-1))
        previous = tokens[:, t]
    stepped = torch.stack(hidden, 1)
    torch.testing.assert_close(stepped, policy.every_logit(tokens).log_softmax(-1))
    chosen = stepped.gather(2, tokens[:, :, None])[:, :, 0]
    torch.testing.assert_close(policy.log_prob(tokens), chosen)


def test_what_comes_later_changes_nothing_and_the_order_of_what_came_does():
    policy = made()
    one, other = torch.tensor([[2, 3, 4, 5]]), torch.tensor([[2, 3, 4, 2]])
    torch.testing.assert_close(policy.every_logit(one)[:, :4], policy.every_logit(other)[:, :4])
    swapped = policy.every_logit(torch.tensor([[3, 2, 4, 5]]))
    assert (policy.every_logit(one)[0, 2] - swapped[0, 2]).abs().max() > 0.01


def test_attention_by_hand():
    """One layer, one head: softmax of rotated products, written out with complex numbers."""
    policy = made(heads=1, layers=1)
    tokens = torch.tensor([[2, 5, 3, 4]])
    (block,) = policy.blocks
    x = policy.project(policy.embedding(torch.tensor([1, 2, 5, 3])))
    q, k, v = block.query_key_value(block.norms[0](x)).chunk(3, 1)
    rate = 10_000.0 ** (-torch.arange(4) / 4)
    turn = torch.exp(1j * torch.arange(4)[:, None] * rate)
    q, k = (torch.complex(part[:, :4], part[:, 4:]) * turn for part in (q, k))
    scores = (q @ k.conj().T).real / 8**0.5
    scores = scores.masked_fill(torch.ones(4, 4).triu(1).bool(), float("-inf"))
    x = x + block.out(scores.softmax(1) @ v)
    x = policy.norm(x + block.mlp(block.norms[1](x)))
    torch.testing.assert_close(policy.every_logit(tokens)[0], policy.logits(x))


def test_samples_follow_the_density_and_end():
    policy = made(end=2)
    sequences, probability = everything(policy, 3)
    assert float(probability.sum()) == pytest.approx(1, abs=1e-5)
    torch.manual_seed(3)
    assert too_far(counted(policy.sample(4000, 3), sequences), probability) < 4


def test_rollouts_keep_their_prefix_and_call_the_policy_once_a_position():
    policy = made()
    tokens = policy.sample(4, 5)
    calls, step = [], policy.step
    policy.step = lambda previous, state: calls.append(len(previous)) or step(previous, state)
    found = complete_sequences(policy, tokens, copies=2).tokens.view(4, 2, 4, 5)
    for t in range(1, 5):
        assert (found[t - 1, :, :, :t] == tokens[:, :t]).all()
    # The samples themselves, 4 rows, and a batch that grows by 8: T - 2 calls, and none of no row
    assert [n for n in calls if n != 4] == [8, 16, 24]


def test_a_size_that_heads_do_not_divide_is_refused():
    with pytest.raises(UserError, match="--hidden 12: a transformer of 4 heads needs a multiple"):
        TransformerPolicy(6, 4, 12)
