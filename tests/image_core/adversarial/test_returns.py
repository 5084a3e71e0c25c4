"""Returns and baselines against hand-computed values and slow loops."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from image_core.adversarial import returns
from image_core.adversarial.errors import UserError

quick = settings(max_examples=25, deadline=None)
T, F = True, False


def same(result, expected, tolerance=1e-12):
    assert torch.allclose(result, torch.as_tensor(expected, dtype=result.dtype), atol=tolerance)


def random_case(seed, rows=6, columns=5):
    """Random rewards and a random mask; garbage where the mask is False."""
    generator = torch.Generator().manual_seed(seed)
    reward = torch.randn(rows, columns, dtype=torch.float64, generator=generator)
    mask = torch.rand(rows, columns, generator=generator) < 0.7
    return reward.masked_fill(~mask, math.nan), mask


# -------------------------------------------------------------------------------------- discounted


def test_discounted_by_hand():
    reward = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 9.0]], dtype=torch.float64)
    mask = torch.tensor([[T, T, T], [T, T, F]])
    same(returns.discounted(reward, mask, 0.5), [[2.75, 3.5, 3.0], [6.5, 5.0, 0.0]])
    same(returns.discounted(reward, mask, 0.0), [[1, 2, 3], [4, 5, 0]])
    same(returns.discounted(reward, mask, 1.0), [[6, 5, 3], [9, 5, 0]])


def test_time_passes_where_nothing_counts():
    reward = torch.tensor([[1.0, 7.0, 1.0]], dtype=torch.float64)
    same(returns.discounted(reward, torch.tensor([[T, F, T]]), 0.5), [[1.25, 0.0, 1.0]])


@quick
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.3, 0.99, 1.0]))
def test_discounted_against_a_double_sum(seed, gamma):
    reward, mask = random_case(seed)
    expected = torch.zeros_like(reward)
    for b in range(reward.shape[0]):
        for t in range(reward.shape[1]):
            if mask[b, t]:
                later = [s for s in range(t, reward.shape[1]) if mask[b, s]]
                expected[b, t] = sum(gamma ** (s - t) * float(reward[b, s]) for s in later)
    same(returns.discounted(reward, mask, gamma), expected)


# --------------------------------------------------------------------------------------------- gae


def column(*values):
    kind = torch.bool if isinstance(values[0], bool) else torch.float64
    return torch.tensor(values, dtype=kind)[:, None]


def test_gae_by_hand_with_a_termination():
    result = returns.gae(
        column(1.0, 2.0, 3.0),
        column(0.5, 1.0, 1.5),
        column(1.0, 99.0, 2.0),
        column(F, T, F),
        column(F, T, F),
        gamma=0.9,
        gae_lambda=0.5,
    )
    # deltas: 1 + .9 - .5 = 1.4; 2 - 1 = 1 (nothing bootstrapped); 3 + 1.8 - 1.5 = 3.3
    same(result, column(1.4 + 0.45 * 1.0, 1.0, 3.3))


def test_gae_by_hand_with_a_truncation():
    result = returns.gae(
        column(1.0, 2.0, 3.0),
        column(0.5, 1.0, 1.5),
        column(1.0, 4.0, 2.0),
        column(F, F, F),
        column(F, T, F),
        gamma=0.9,
        gae_lambda=0.5,
    )
    # row 1 bootstraps from 4, the value of its last observation, and takes nothing from row 2
    same(result, column(1.4 + 0.45 * 4.6, 4.6, 3.3))


def test_gae_with_lam_one_is_the_return_minus_the_value():
    torch.manual_seed(1)
    reward, value = torch.randn(7, 2).double(), torch.randn(7, 2).double()
    next_value = torch.cat([value[1:], torch.zeros(1, 2).double()])
    ended = torch.zeros(7, 2, dtype=torch.bool)
    ended[-1] = True
    result = returns.gae(reward, value, next_value, ended, ended, 0.8, 1.0)
    to_go = returns.discounted(reward.T, torch.ones(2, 7, dtype=torch.bool), 0.8).T
    same(result, to_go - value)


def slow_gae(reward, value, next_value, terminated, ended, gamma, lam):
    """Sum of (gamma lam)^l delta_(t+l) up to the end of the episode, episode by episode."""
    steps, envs = reward.shape
    result = torch.zeros_like(reward)
    for n in range(envs):
        for t in range(steps):
            for later in range(t, steps):
                bootstrap = 0.0 if terminated[later, n] else float(next_value[later, n])
                delta = float(reward[later, n]) + gamma * bootstrap - float(value[later, n])
                result[t, n] += (gamma * lam) ** (later - t) * delta
                if ended[later, n]:
                    break
    return result


@quick
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.5, 0.95, 1.0]))
def test_gae_against_a_double_sum(seed, lam):
    generator = torch.Generator().manual_seed(seed)
    reward, value, next_value = torch.randn(3, 8, 3, dtype=torch.float64, generator=generator)
    ended = torch.rand(8, 3, generator=generator) < 0.3
    terminated = ended & (torch.rand(8, 3, generator=generator) < 0.5)
    arguments = (reward, value, next_value, terminated, ended, 0.9, lam)
    same(returns.gae(*arguments), slow_gae(*arguments))


def test_a_row_after_an_end_never_leaks_backwards():
    torch.manual_seed(2)
    reward, value, next_value = torch.randn(3, 5, 1, dtype=torch.float64)
    ended, never = column(F, T, F, F, F), column(F, F, F, F, F)
    before = returns.gae(reward, value, next_value, never, ended, 0.9, 0.9)
    reward[2], value[2], next_value[2] = 1e6, -1e6, 1e6  # the automatic reset
    after = returns.gae(reward, value, next_value, never, ended, 0.9, 0.9)
    same(after[:2], before[:2], 0.0)
    same(after[3:], before[3:], 0.0)


# ------------------------------------------------------------------------------- groups of samples


def test_leave_one_out_by_hand():
    reward = torch.tensor([1.0, 2.0, 6.0, 10.0, 20.0, 60.0], dtype=torch.float64)
    same(returns.leave_one_out(reward, 3), [4.0, 3.5, 1.5, 40.0, 35.0, 15.0])
    same(returns.leave_one_out(reward, 2), [2.0, 1.0, 10.0, 6.0, 60.0, 20.0])


@quick
@given(st.integers(0, 10**6), st.sampled_from([2, 3, 6]))
def test_leave_one_out_against_a_loop(seed, samples):
    reward, mask = random_case(seed)
    expected = torch.zeros_like(reward)
    for i in range(6):
        first = i - i % samples
        for t in range(5):
            others = [
                float(reward[j, t]) for j in range(first, first + samples) if j != i and mask[j, t]
            ]
            expected[i, t] = sum(others) / len(others) if others else 0.0
    result = returns.leave_one_out(reward, samples, mask)
    same(result[mask], expected[mask])


def test_group_normalised_by_hand():
    reward = torch.tensor([1.0, 3.0, 5.0, 5.0], dtype=torch.float64)
    same(returns.group_normalised(reward, 2, eps=0.0 + 1e-12), [-1.0, 1.0, 0.0, 0.0], 1e-9)
    same(returns.group_normalised(reward, 2, eps=1.0), [-0.5, 0.5, 0.0, 0.0])
    same(returns.group_normalised(reward[:3], 1), [0.0, 0.0, 0.0])


@quick
@given(st.integers(0, 10**6), st.sampled_from([2, 3, 6]))
def test_group_normalised_against_a_loop(seed, samples):
    reward = torch.randn(6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    expected = torch.zeros_like(reward)
    for first in range(0, 6, samples):
        for k in range(2):
            group = [float(r) for r in reward[first : first + samples, k]]
            mean = sum(group) / samples
            std = math.sqrt(sum((r - mean) ** 2 for r in group) / samples)
            for j, r in enumerate(group):
                expected[first + j, k] = (r - mean) / (std + 0.01)
    same(returns.group_normalised(reward, samples, 0.01), expected)


def test_position_mean_by_hand():
    nan = math.nan
    reward = torch.tensor([[1.0, 2.0, nan], [5.0, nan, nan]], dtype=torch.float64)
    mask = torch.tensor([[T, T, F], [T, F, F]])
    same(returns.position_mean(reward, mask), [3.0, 2.0, 0.0])


@pytest.mark.parametrize("samples", [0, -2, 4, 7])
def test_rows_left_over_are_refused(samples):
    with pytest.raises(UserError, match=rf"samples = {samples} .*6 rows"):
        returns.group_normalised(torch.randn(6), samples)


def test_leaving_one_out_of_one_is_refused():
    with pytest.raises(UserError, match="samples = 1"):
        returns.leave_one_out(torch.randn(6), 1)
