"""The LSTM policy against its equations written out, and what it may and may not draw."""

import pytest
import torch

from seqgan.lm.policies import LSTMPolicy
from tests.seqgan.lm.enumeration import counted, everything, tiny_policy, too_far


def policy(layers=1, end=2, **options):
    options = {"start": 1, "pad": 0, "init_std": 0.7} | options
    return LSTMPolicy(12, 5, 4, layers=layers, end=end, **options)


def ragged(rows=9, length=7):
    tokens = torch.randint(3, 12, (rows, length))
    ends = torch.arange(rows) % length
    tokens[torch.arange(rows), ends] = 2
    tokens[0] = torch.arange(3, 3 + length)  # never ends
    past = torch.arange(length) > ends[:, None]
    past[0] = False
    return torch.where(past, 0, tokens)


def by_hand(net, tokens, temperature=1.0):
    """log pi(y_t | y_<t), one token and one layer at a time; ends and padding not looked at."""
    rows, length = tokens.shape
    h = [torch.zeros(rows, net.hidden).to(net.embedding) for _ in range(net.layers)]
    c = [torch.zeros(rows, net.hidden).to(net.embedding) for _ in range(net.layers)]
    read, result = torch.full((rows,), net.start), []
    for t in range(length):
        x = net.embedding[read]
        for layer in range(net.layers):
            gates = x @ net.input_weight[layer].t() + h[layer] @ net.state_weight[layer].t()
            i, f, g, o = (gates + net.bias[layer]).chunk(4, 1)
            c[layer] = f.sigmoid() * c[layer] + i.sigmoid() * g.tanh()
            h[layer] = x = o.sigmoid() * c[layer].tanh()
        logits = x @ net.output_weight + net.output_bias
        if net.end is not None:
            logits = logits.clone()
            logits[:, [net.pad, net.start]] = -1e9
        log_prob = torch.log_softmax(logits / temperature, 1)
        read = tokens[:, t]
        result.append(log_prob.gather(1, read[:, None])[:, 0])
    return torch.stack(result, 1)


# ---------------------------------------------------------------------------------- log-probability


@pytest.mark.parametrize("temperature", [1.0, 0.5, 3.0])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("end", [2, None])
def test_log_prob_and_gradients_equal_the_equations(end, layers, temperature):
    net, tokens = policy(layers, end).double(), ragged()
    mask = net.mask(tokens)
    assert mask.all() == (end is None)
    one = net.log_prob(tokens, temperature)
    other = torch.where(mask, by_hand(net, tokens, temperature), 0.0)
    assert torch.allclose(one, other, rtol=0, atol=1e-9)
    upstream, parameters = torch.randn_like(one), list(net.parameters())
    gradients = [torch.autograd.grad(f, parameters, upstream) for f in (one, other)]
    for a, b in zip(*gradients):
        assert b.abs().max() > 1e-4
        assert torch.allclose(a, b, rtol=0, atol=1e-9)


@pytest.mark.parametrize("end", [2, None])
def test_nll_is_minus_the_mean_of_what_counts(end):
    """To 1e-7: the shares of the mean are float32."""
    net, tokens = policy(2, end).double(), ragged()
    expected = -by_hand(net, tokens)[net.mask(tokens)].mean()
    assert torch.allclose(net.nll(tokens), expected, rtol=0, atol=1e-6)
    parameters = list(net.parameters())
    one = torch.autograd.grad(net.nll(tokens), parameters)
    for a, b in zip(one, torch.autograd.grad(expected, parameters)):
        assert torch.allclose(a, b, rtol=0, atol=1e-7)


@pytest.mark.parametrize("layers", [1, 3])
def test_reading_step_by_step_equals_reading_at_once(layers):
    net, tokens = policy(layers).double(), ragged()
    state = net.begin(len(tokens))
    read = torch.full((len(tokens),), net.start)
    hidden = []
    for t in range(tokens.shape[1]):
        step, state = net.step(read, state)
        hidden.append(step)
        read = tokens[:, t]
    assert torch.allclose(torch.stack(hidden, 1), net._read(tokens), rtol=0, atol=1e-12)
    assert state[0].shape == (len(tokens), layers, 4)


def test_dropout_in_training_only_and_between_all_layers():
    net = policy(2, dropout=0.5)
    tokens = ragged()
    torch.manual_seed(1)
    one = net.train().log_prob(tokens)
    torch.manual_seed(1)
    assert torch.equal(one, net.log_prob(tokens))
    assert (one - net.log_prob(tokens)).abs().max() > 0.01
    assert torch.equal(net.eval().log_prob(tokens), net.log_prob(tokens))
    seen = []
    net._drop = lambda x: seen.append(x.shape[-1]) or x
    net.log_prob(tokens)
    assert seen == [5, 4, 4]


def test_mask_and_trim():
    net = policy()
    tokens = torch.tensor([[5, 6, 2, 0, 0], [2, 2, 0, 0, 0], [5, 2, 7, 2, 9]])
    assert net.mask(tokens).int().tolist() == [[1, 1, 1, 0, 0], [1, 0, 0, 0, 0], [1, 1, 0, 0, 0]]
    assert torch.equal(net.trim(tokens), tokens[:, :3])
    assert policy(end=None).trim(tokens).shape == (3, 5)
    assert torch.equal(net.log_prob(net.trim(tokens)), net.log_prob(tokens)[:, :3])


# ------------------------------------------------------------------------------------------ samples


@pytest.mark.parametrize("temperature", [1.0, 0.5, 2.0])
@pytest.mark.parametrize("end", [2, None])
def test_whole_sequences_are_drawn_as_often_as_they_are_likely(end, temperature):
    net = tiny_policy(4, end)
    sequences, _ = everything(net, 3)
    probability = net.log_prob(sequences, temperature).double().sum(1).exp()
    assert probability.sum() == pytest.approx(1.0, abs=1e-5)
    samples = net.sample(30_000, 3, temperature=temperature)
    assert abs(too_far(counted(samples, sequences), probability)) < 4
    other = net.log_prob(sequences, 1.3 * temperature).double().sum(1).exp()
    assert too_far(counted(samples, sequences), other) > 8


@pytest.mark.parametrize("end", [2, None])
def test_a_prompt_is_kept_and_continued(end):
    net = tiny_policy(4, end)
    prompt = torch.tensor([3, 1])
    samples = net.sample(20_000, 4, prompt=prompt)
    assert (samples[:, :2] == prompt).all()
    sequences, probability = everything(net, 4)
    chosen = (sequences[:, :2] == prompt).all(1)
    conditional = probability[chosen] / probability[chosen].sum()
    assert abs(too_far(counted(samples, sequences[chosen]), conditional)) < 4


def test_a_prompt_as_long_as_the_sequence():
    prompt = torch.tensor([5, 6, 7])
    assert torch.equal(policy().sample(2, 3, prompt=prompt), prompt.expand(2, 3))


def test_nothing_follows_an_end_in_the_prompt():
    samples = policy().sample(2, 6, prompt=torch.tensor([5, 2, 7]))
    assert samples.tolist() == [[5, 2, 0, 0, 0, 0]] * 2


def test_padding_after_the_end_and_neither_pad_nor_start_before_it():
    net = policy(pad=4, start=1)
    with torch.no_grad():
        net.output_bias[[1, 4]] = 30.0  # if they could be drawn, they would be
    samples = net.sample(3000, 9)
    mask = net.mask(samples)
    assert (samples[~mask] == 4).all()
    assert not torch.isin(samples[mask], torch.tensor([1, 4])).any()
    lengths = mask.sum(1)
    ended = (samples == 2).any(1)
    assert ended[lengths < 9].all()
    assert set(lengths.tolist()) >= {1, 2, 5}
    assert (~ended).any()
    assert set(samples[mask].tolist()) == set(range(12)) - {1, 4}


def test_pad_and_start_have_no_probability_where_there_is_an_end():
    tokens = torch.tensor([[0], [1], [5]])
    log_prob = policy().log_prob(tokens)
    assert (log_prob[:2] < -1e8).all()
    assert log_prob[2] > -10
    assert (policy(end=None).log_prob(tokens) > -20).all()


def test_an_end_that_is_also_pad_or_start_is_refused():
    """`LSTMPolicy(vocab, end=0)`: 0 is also the default of pad and of start."""
    with pytest.raises(ValueError, match="end"):
        LSTMPolicy(12, end=0)


def test_the_start_token_is_read_first():
    one, other = policy(start=1, end=None), policy(start=3, end=None)
    other.load_state_dict(one.state_dict())
    tokens = ragged()
    assert (one.log_prob(tokens)[:, 0] - other.log_prob(tokens)[:, 0]).abs().max() > 0.01
    other.start = 1
    assert torch.equal(one.log_prob(tokens), other.log_prob(tokens))


def test_initial_values_and_parameters():
    net = LSTMPolicy(2000, 20, 30, layers=2, init_std=0.3)
    for parameter in net.parameters():
        spread = 4 / (2 * parameter.numel()) ** 0.5
        assert parameter.std().item() == pytest.approx(0.3, rel=spread)
    shapes = [tuple(w.shape) for w in (*net.input_weight, *net.state_weight, *net.bias)]
    assert shapes == [(120, 20), (120, 30), (120, 30), (120, 30), (120,), (120,)]
    assert len(list(net.parameters())) == 3 + 2 * 3
    assert set(net.state_dict()) == {name for name, _ in net.named_parameters()}
