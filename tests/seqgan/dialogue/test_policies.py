"""Log-probabilities, sampling and blocking of policies on language models."""

import itertools
import math

import pytest
import torch

from image_core.adversarial import waits
from image_core.adversarial.errors import UserError
from seqgan.data.encode import mask_of
from seqgan.dialogue.generation import GenerationOptions, block_ngrams, filtered, one_of
from seqgan.dialogue.gpt2_decoding import decodes
from seqgan.dialogue.language_models import CausalLMPolicy
from tests.seqgan.dialogue.made import (
    END,
    IDS,
    KINDS,
    PAD,
    V,
    contexts,
    gpt2,
    policy_of,
    replies,
    sharpen,
)
from tests.stand_in import stand_in


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_a_row_means_the_same_whatever_it_is_padded_to(kind):
    policy, (context, attention_mask), reply = policy_of(kind), contexts(), replies()
    together = policy.log_prob(context, attention_mask, reply)
    mask = mask_of(reply, END)
    for row in range(len(reply)):
        alone = context[row : row + 1, attention_mask[row]]
        length = int(mask[row].sum())
        one = policy.log_prob(alone, torch.ones_like(alone, dtype=torch.bool), reply[row : row + 1])
        assert torch.allclose(together[row, :length], one[0, :length], atol=1e-5)
    wide = torch.nn.functional.pad(context, (5, 0), value=7)
    padded = policy.log_prob(wide, torch.nn.functional.pad(attention_mask, (5, 0)), reply)
    assert torch.allclose(together[mask], padded[mask], atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_reading_token_by_token_gives_the_teacher_forced_logits(kind):
    policy, (context, attention_mask) = policy_of(kind), contexts()
    reply = replies().clamp(min=3)
    whole = policy.logits(context, attention_mask, reply)
    logits, state = policy.read(context, attention_mask)
    for t in range(reply.shape[1]):
        assert torch.allclose(logits, whole[:, t], atol=1e-4), t
        assert torch.isinf(logits[:, IDS["forbidden"]]).all()
        # A fork goes on as the original does, and does not disturb it
        rows = torch.tensor([2, 2, 0])
        fork = policy.select(state, rows)
        forked, _ = policy.step(reply[rows, t], fork)
        logits, state = policy.step(reply[:, t], state)
        assert torch.allclose(forked, logits[rows], atol=1e-4)


@pytest.mark.parametrize("rows", [2, 6])  # below and above where matrices are packed
@torch.no_grad()
def test_a_static_cache_decodes_as_transformers_does_and_makes_room(rows, monkeypatch):
    from seqgan.dialogue import gpt2_decoding, language_models

    monkeypatch.setattr(gpt2_decoding, "ROOM", 3)
    policy, (context, attention_mask) = policy_of("gpt2"), contexts(rows)
    reply = torch.randint(3, V, (rows, 12), generator=torch.Generator().manual_seed(0))
    logits, state = policy.read(context, attention_mask)
    assert isinstance(state, gpt2_decoding.StaticState)
    with monkeypatch.context() as patch:
        patch.setattr(language_models, "decodes", lambda model: False)
        theirs, their_state = policy.read(context, attention_mask)
        assert not isinstance(their_state, gpt2_decoding.StaticState)
        for t in range(12):
            torch.testing.assert_close(logits, theirs, rtol=1e-4, atol=1e-4)
            logits, state = policy.step(reply[:, t], state)
            theirs, their_state = policy.step(reply[:, t], their_state)
    assert state.used == 18 > context.shape[1] + 3


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@torch.no_grad()
def test_replies_of_a_static_cache_are_token_for_token_those_of_a_dynamic_one(
    temperature, monkeypatch
):
    """On the device that stands in for a GPU too, where no matrix is packed."""
    from seqgan.dialogue import language_models

    monkeypatch.setattr(waits, "reading_is_free", lambda device: False)
    policy, read = sharpen(policy_of("gpt2")), contexts(6)
    how, found = GenerationOptions(temperature, min_length=2), []
    with stand_in.here() as there:
        for static, place in ((False, "cpu"), (True, "cpu"), (True, there)):
            with monkeypatch.context() as patch:
                if not static:
                    patch.setattr(language_models, "decodes", lambda model: False)
                torch.manual_seed(0)
                policy.to(place)
                found.append(policy.sample(*(x.to(place) for x in read), 12, how).cpu())
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])
    assert len(found[0].unique()) > 4


def test_other_models_are_left_to_transformers():
    policy = policy_of("gpt2")
    assert not decodes(policy.model)  # a gradient may be wanted
    with torch.no_grad():
        assert decodes(policy.model)
        assert not decodes(policy.model.train())  # dropout
        assert not decodes(policy_of("llama").model)
        assert not decodes(gpt2(activation_function="relu").eval())
        assert not decodes(gpt2(scale_attn_by_inverse_layer_idx=True).eval())
        assert not decodes(gpt2().eval().bfloat16())


def test_one_random_number_draws_a_token():
    """The shares are met, what has none is never drawn, not even by the greatest number."""
    share = torch.tensor([0.0, 0.5, 0.0, 0.3, 0.2, 0.0])
    torch.manual_seed(0)
    drawn = torch.bincount(one_of(share.expand(20_000, 6)), minlength=6) / 20_000
    assert drawn[share == 0].tolist() == [0.0, 0.0, 0.0]
    assert (drawn - share).abs().max() < 5 * (0.25 / 20_000) ** 0.5
    with pytest.MonkeyPatch.context() as patch:
        for number, token in ((0.0, 1), (0.4999, 1), (0.5, 3), (0.85, 4), (1.0, 4)):
            patch.setattr(
                torch, "rand", lambda *size, n=number, **how: torch.full(size, n).double()
            )
            assert one_of(share[None]).tolist() == [token]


@pytest.mark.parametrize("kind", KINDS)
def test_samples_end_once_and_hold_nothing_forbidden(kind):
    policy, (context, attention_mask) = policy_of(kind), contexts(8)
    torch.manual_seed(0)
    reply = policy.sample(context, attention_mask, 9, GenerationOptions(min_length=2), copies=3)
    assert reply.shape == (24, 9)
    mask = policy.mask(reply)
    assert (reply[~mask] == PAD).all()
    assert not torch.isin(reply[mask], torch.tensor(IDS["forbidden"])).any()
    assert (reply[:, :2] != END).all()


@torch.no_grad()
def test_samples_follow_the_distribution_and_copies_share_their_context():
    """A million draws are not needed: one context, frequencies of the first token."""
    policy, (context, attention_mask) = policy_of("gpt2"), contexts(2)
    torch.manual_seed(1)
    reply = policy.sample(context, attention_mask, 1, copies=4000)
    with torch.no_grad():
        expected = policy.read(context, attention_mask)[0].softmax(-1)
    for row in range(2):
        drawn = torch.bincount(reply[row * 4000 : (row + 1) * 4000, 0], minlength=V) / 4000
        error = (expected[row] * (1 - expected[row]) / 4000).sqrt()
        assert ((drawn - expected[row]).abs() <= 5 * error + 1e-9).all()


@torch.no_grad()
def test_eval_mode_has_no_dropout_and_equal_models_have_no_kl():
    policy, (context, attention_mask), reply = policy_of("gpt2"), contexts(), replies()
    assert policy.model.config.resid_pdrop > 0
    mask = policy.mask(reply)
    first = policy.log_prob(context, attention_mask, reply)[mask]
    assert torch.equal(first, policy.log_prob(context, attention_mask, reply)[mask])
    assert not torch.allclose(first, policy.train().log_prob(context, attention_mask, reply)[mask])


@torch.no_grad()
def test_a_smaller_vocabulary_than_the_tokenizers_is_refused_and_a_larger_one_never_drawn():
    with pytest.raises(UserError, match="embeds only 24"):
        CausalLMPolicy(gpt2(), V + 1, **IDS)
    policy, (context, attention_mask) = CausalLMPolicy(gpt2(), V - 4, **IDS).eval(), contexts()
    logits, _ = policy.read(context, attention_mask)
    assert torch.isinf(logits[:, V - 4 :]).all()
    assert torch.isfinite(logits[:, 3 : V - 4]).all()


def test_filters_keep_what_they_say():
    logits = torch.tensor([[0.5, 0.25, 0.15, 0.1]]).log()
    kept = filtered(logits, GenerationOptions(top_k=2)).softmax(-1)
    assert torch.allclose(kept, torch.tensor([[2 / 3, 1 / 3, 0.0, 0.0]]))
    kept = filtered(logits, GenerationOptions(top_p=0.6)).softmax(-1)
    assert torch.allclose(kept, torch.tensor([[2 / 3, 1 / 3, 0.0, 0.0]]))
    assert torch.isinf(filtered(logits, GenerationOptions(top_p=0.5))[0, 1:]).all()
    sharp = filtered(logits, GenerationOptions(temperature=0.5)).softmax(-1)
    assert torch.allclose(sharp, logits.exp() ** 2 / (logits.exp() ** 2).sum())


def test_blocking_forbids_exactly_the_repeats():
    written = torch.tensor([[5, 6, 7, 5, 6]])
    context, attention_mask = (
        torch.tensor([[0, 8, 5, 6, 9]]),
        torch.tensor([[False, True, True, True, True]]),
    )
    logits = torch.zeros(1, V)
    own = block_ngrams(logits, GenerationOptions(block=3), END, written, context, attention_mask)
    assert torch.isinf(own[0]).nonzero()[:, 0].tolist() == [7]
    both = block_ngrams(
        logits,
        GenerationOptions(block=3, block_context=True),
        END,
        written,
        context,
        attention_mask,
    )
    assert torch.isinf(both[0]).nonzero()[:, 0].tolist() == [7, 9]
    words = block_ngrams(logits, GenerationOptions(block=1), END, written, context, attention_mask)
    assert torch.isinf(words[0]).nonzero()[:, 0].tolist() == [5, 6, 7]


def test_blocked_samples_repeat_no_bigram():
    policy, (context, attention_mask) = policy_of("gpt2"), contexts(16)
    torch.manual_seed(0)
    for reply in policy.sample(
        context, attention_mask, 20, GenerationOptions(0.3, block=2)
    ).tolist():
        reply = reply[: reply.index(END)] if END in reply else reply
        pairs = list(itertools.pairwise(reply))
        assert len(set(pairs)) == len(pairs)


def test_nll_is_the_mean_over_what_counts():
    policy, (context, attention_mask), reply = policy_of("gpt2"), contexts(), replies()
    mask = policy.mask(reply)
    log_prob = policy.log_prob(context, attention_mask, reply).detach()
    total = sum(
        float(log_prob[b, t]) for b in range(len(reply)) for t in range(7) if bool(mask[b, t])
    )
    nll = policy.nll(context, attention_mask, reply, mask)
    assert math.isclose(float(nll.detach()), -total / int(mask.sum()), rel_tol=1e-5)
    nll.backward()
    assert all(torch.isfinite(p.grad).all() for p in policy.parameters())
