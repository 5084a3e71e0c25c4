"""Beam search against transformers' own and by enumeration; diversity; reranking."""

import itertools

import pytest
import torch

from image_core.adversarial.errors import UserError
from seqgan.dialogue.decoding import (
    Found,
    beam_search,
    candidate_log_prob,
    mutual_information,
)
from seqgan.dialogue.generation import GenerationOptions
from tests.seqgan.dialogue.made import END, PAD, V, contexts, policy_of


@torch.no_grad()
def test_a_beam_as_wide_as_the_vocabulary_finds_the_best_of_all():
    policy, (context, attention_mask) = policy_of("lstm"), contexts(2)
    found = beam_search(policy, context, attention_mask, 2, beams=V, length_penalty=0.0)
    best = [-1e9, -1e9]
    for pair in itertools.product(range(3, V), range(3, V)):
        reply = torch.tensor([pair, pair])
        for row, value in enumerate(
            policy.log_prob(context, attention_mask, reply).sum(1).tolist()
        ):
            best[row] = max(best[row], value)
    ends = policy.log_prob(context, attention_mask, torch.full((2, 2), END))[:, 0]
    best = torch.maximum(torch.tensor(best), ends)
    assert torch.allclose(found.score[:, 0], best, atol=1e-5)


@pytest.mark.parametrize("kind", ["gpt2", "llama", "t5"])
@torch.no_grad()
def test_one_group_is_the_beam_search_of_transformers(kind):
    policy, (context, attention_mask) = policy_of(kind), contexts(3)
    ours = beam_search(policy, context, attention_mask, 6, beams=3, length_penalty=1.0)
    theirs = policy.model.generate(
        input_ids=context, attention_mask=attention_mask.long(), num_beams=3, max_new_tokens=6,
        do_sample=False, length_penalty=1.0, early_stopping="never", pad_token_id=PAD,
        eos_token_id=END, suppress_tokens=[0, 1],
    )  # fmt: skip
    new = theirs[:, 1:] if kind == "t5" else theirs[:, context.shape[1] :]
    width = new.shape[1]
    scores = candidate_log_prob(policy, context, attention_mask, Found(new[:, None], ours.score))[
        :, 0
    ]
    lengths = policy.mask(new).sum(1)
    # Where both differ ours may keep another hypothesis, but never a worse one
    assert (ours.score[:, 0] >= scores / lengths - 1e-4).all()
    assert (
        torch.equal(ours.reply[:, 0, :width], new)
        or (ours.score[:, 0] > scores / lengths - 1e-4).all()
    )


@torch.no_grad()
def test_scores_are_the_policys_own_and_replies_end_once():
    policy, (context, attention_mask) = policy_of("gpt2"), contexts(3)
    found = beam_search(policy, context, attention_mask, 6, beams=4, length_penalty=0.0)
    log_prob = candidate_log_prob(policy, context, attention_mask, found)
    assert torch.allclose(found.score, log_prob, atol=1e-4)
    flat = found.reply.flatten(0, 1)
    assert (flat[~policy.mask(flat)] == PAD).all()
    assert (found.score.diff(dim=1) <= 0).all()


@torch.no_grad()
def test_groups_differ_from_one_another():
    policy, (context, attention_mask) = policy_of("gpt2"), contexts(4)
    plain = beam_search(policy, context, attention_mask, 6, beams=4)
    diverse = beam_search(policy, context, attention_mask, 6, beams=4, groups=4, diversity=5.0)
    firsts = [len(set(row[:, 0].tolist())) for row in diverse.reply]
    assert firsts == [4] * 4
    assert min(len(set(row[:, 0].tolist())) for row in plain.reply) < 4
    with pytest.raises(UserError, match="cannot be shared"):
        beam_search(policy, context, attention_mask, 6, beams=4, groups=3)


@torch.no_grad()
def test_search_blocks_and_holds_to_a_least_length():
    policy, (context, attention_mask) = policy_of("gpt2"), contexts(4)
    generation = GenerationOptions(min_length=4, block=1)
    for reply in beam_search(
        policy, context, attention_mask, 8, generation=generation
    ).reply.flatten(0, 1):
        words = [t for t in reply.tolist() if t not in (PAD, END)]
        assert len(words) >= 4
        assert len(set(words)) == len(words)


def test_reranking_weighs_both_directions():
    reply = torch.arange(6).view(1, 3, 2)
    found = Found(reply, torch.zeros(1, 3))
    forward, backward = torch.tensor([[-1.0, -2.0, -3.0]]), torch.tensor([[-9.0, -1.0, -1.5]])
    both = mutual_information(found, forward, backward, 0.5)
    assert both.score[0].tolist() == [-1.5, -2.25, -5.0]
    assert torch.equal(both.reply[0, 0], reply[0, 1])
    assert torch.equal(mutual_information(found, forward, backward, 0.0).reply[0, 0], reply[0, 0])
