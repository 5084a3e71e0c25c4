"""The chat model of the claim `instructions`: what it reads, its density, and what copies share."""

import copy

import pytest
import torch

from benchmarks.claims.blocks_parts.world import MARK, TABLE, TURN
from benchmarks.claims.instructions_parts import writer
from image_core.adversarial.errors import UserError
from seqgan.data.tokenizer import END, PAD, START, TextTokenizer
from seqgan.text.games.prompted import answer_nll
from seqgan.text.sequences import Sequences

LINES = ["t a t | b t t => b t a b", "t t b | t t a => c a", "t c t | t t t => b t"]


@pytest.fixture(scope="module")
def s():
    tokenizer = TextTokenizer.train(LINES, "blank", 1, 50, lowercase=False)
    encoded = tokenizer.encode(LINES)
    rows = torch.full((len(LINES), 1 + max(map(len, encoded))), PAD)
    for place, ids in enumerate(encoded):
        rows[place, : len(ids) + 1] = torch.tensor([*ids, END])
    return Sequences(
        tokenizer.vocab_size, rows.shape[1], START, END, PAD, lambda: rows, tokenizer.decode
    )


@pytest.fixture
def policy(s):
    torch.manual_seed(0)
    made = writer.tiny_plans(s)
    for each in (*made.up, made.told.weight):
        torch.nn.init.normal_(each, std=0.3)
    return made.eval()


def test_the_density_read_at_once_is_that_of_the_steps(policy, s):
    tokens = s.real()
    state, previous = policy.begin(len(tokens)), torch.full((len(tokens),), START)
    found = []
    for column in tokens.unbind(1):
        hidden, state = policy.step(previous, state)
        each = policy.logits(hidden).masked_fill(policy.forbidden, -1e9).log_softmax(1)
        found.append(each.gather(1, column[:, None])[:, 0])
        previous = column
    want = torch.stack(found, 1) * policy.mask(tokens)
    assert torch.allclose(policy.log_prob(tokens)[:, 8:], want[:, 8:], atol=1e-4)  # the plans


def test_without_what_was_learned_it_is_the_model_on_the_chat(s):
    torch.manual_seed(0)
    policy, tokens = writer.tiny_plans(s).eval(), s.real()[:1]
    ids = [0, 1, START]  # the start's three
    for token in tokens[0, :-1].tolist():
        ids += [0, 3] if token == writer._mark(s) else [token]
    got = policy.every_logit(tokens)[
        0, -1
    ].detach()  # its adapters, which begin at zero, stay on the model
    body = policy.frozen.body
    hidden = body(input_ids=torch.tensor([ids]), use_cache=False).last_hidden_state[0, -1]
    want = policy.frozen.embedding.weight @ hidden
    drawn = ~policy.forbidden
    assert torch.allclose(got[drawn], want[drawn], atol=1e-5)
    assert float(got[drawn].std()) > 1e-3


def test_copies_share_the_model_and_learn_apart(policy, s):
    other, mark = copy.deepcopy(policy), writer._mark(s)
    before = {name: value.clone() for name, value in policy.frozen.body.state_dict().items()}
    kept = policy.log_prob(s.real())
    other.requires_grad_(True)
    for _ in range(3):
        loss = answer_nll(other, s.real(), mark)
        loss.backward()
        with torch.no_grad():
            for parameter in other.parameters():
                parameter -= 0.1 * parameter.grad
                parameter.grad = None
    with torch.no_grad():
        learned, first = (float(answer_nll(p, s.real(), mark)) for p in (other, policy))
        assert learned < first - 0.1
    assert torch.equal(policy.log_prob(s.real()), kept)
    after = policy.frozen.body.state_dict()
    assert other.frozen is policy.frozen
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert not any("frozen" in name for name in policy.state_dict())


class Words:
    """A tokenizer whose tokens are characters, and words after a blank."""

    eos_token_id = 7

    def encode(self, text, add_special_tokens):
        assert not add_special_tokens
        return [text] if text.startswith(" ") else list(text)


def test_a_line_is_a_chat(s):
    pieces = writer.spelled(s, Words())
    number = {s.decode([i]): i for i in range(s.vocab)}
    line = [START, *(number[word] for word in f"{TABLE} a {TURN} b {TABLE} {MARK} b a".split())]
    read = "".join(piece for token in line for piece in pieces[token])
    assert read == (
        "<|im_start|>user\nStack table red to blue table<|im_end|>\n<|im_start|>assistant\n"
        " blue red"
    )
    assert pieces[END] == [7]


def test_prompts_of_several_lengths_and_a_missing_model(policy, s, tmp_path):
    mark = writer._mark(s)
    with pytest.raises(UserError, match="end at one place"):
        policy.step(torch.tensor([mark, 5]), policy.begin(2))
    with pytest.raises(UserError, match=r"there is no model; write one with `python"):
        writer.chat_model(str(tmp_path / "none"))
