"""A hierarchical policy: a manager reads the discriminator's features, a worker writes tokens.

f_t = features of y_1..y_t                                    leaked by the discriminator
g_t = unit(W_g h_t + b_g),   h_t = LSTM(f_0..f_t)             manager: a goal in feature space
w_t = W (g_t + g_(t-1) + ... + g_(t-c+1))                     the last c goals, k numbers
pi(. | y_<=t) = softmax(O_t w_t),   O_t = LSTM(y_0..y_t)      worker: O_t in R^(V x k)
"""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from image_core.adversarial.precision import recurrent
from seqgan.lm.policies import RecurrentPolicy, State
from seqgan.text.discriminators import CNNDiscriminator


class HierarchicalPolicy(RecurrentPolicy):
    """LeakGAN's generator, with the discriminator as a part that others train.

    O_t w_t is linear in the products of the worker's state and w_t, so that it is one softmax layer
    over (1, h) outer w. Features are maxima over time: a step computes the windows that end at its
    token alone, and keeps the maxima in its state.

    Args:
        leaking: Discriminator whose features are read; without gradients.
        vocab: Number of token ids.
        embedding: Size of the worker's token embeddings.
        hidden: Size of the states of manager and worker.
        goal_horizon: Number c of goals that direct a token.
        goal_size: Number k of numbers to which the goals are projected.
        start: Token id read before the first token.
        end: Token id that ends a sequence; None if all sequences have the same length.
        pad: Token id after the end; if there is an end, neither it nor `start` is ever drawn.
        worker_dropout: Dropout rate on the worker's inputs and states in maximum likelihood.

    Source: Guo, Lu, Cai, Zhang, Yu & Wang 2018, section 3.
    """

    def __init__(
        self,
        leaking: CNNDiscriminator,
        vocab: int,
        embedding: int = 32,
        hidden: int = 32,
        *,
        goal_horizon: int = 4,
        goal_size: int = 16,
        start: int = 0,
        end: int | None = None,
        pad: int = 0,
        worker_dropout: float = 0.0,
    ):
        super().__init__()
        self.vocab, self.start, self.end, self.pad = vocab, start, end, pad
        self.leaking, self.goal_horizon, self.goal_size = leaking, goal_horizon, goal_size
        self.dropout = worker_dropout
        features = leaking.output_weight.shape[0]
        self.manager = nn.LSTM(features, hidden, batch_first=True)
        self.goal = nn.Linear(hidden, features)
        self.embedding = nn.Embedding(vocab, embedding)
        self.worker = nn.LSTM(embedding, hidden, batch_first=True)
        self.project = nn.Linear(features, goal_size, bias=False)
        self.output_weight = nn.Parameter(torch.empty((hidden + 1) * goal_size, vocab))
        self.register_buffer("output_bias", torch.zeros(vocab), persistent=False)
        for parameter in (self.embedding.weight, self.output_weight, self.project.weight):
            nn.init.normal_(parameter, std=0.1)
        self.forbid_start_and_pad()

    def managing(self) -> list[nn.Parameter]:
        """Parameters of the manager."""
        return [*self.manager.parameters(), *self.goal.parameters()]

    def working(self) -> list[nn.Parameter]:
        """Parameters of the worker, with the projection of the goals."""
        parts = (self.embedding, self.worker, self.project)
        return [*(p for part in parts for p in part.parameters()), self.output_weight]

    def token_vectors(self) -> Tensor:
        return self.embedding.weight

    def begin(self, rows: int) -> State:
        """Tokens so far, maxima of the filters, projected goals, states of manager and worker."""
        like, size = self.output_weight, self.manager.hidden_size
        return (
            torch.zeros(rows, 0, dtype=torch.int64, device=like.device),
            self.leaking.no_maxima(rows),
            like.new_zeros(rows, self.goal_horizon, self.goal_size),
            *(like.new_zeros(rows, size) for _ in range(4)),
        )

    def step(self, tokens: Int64[Tensor, " N"], state: State) -> tuple[Float[Tensor, "N H"], State]:
        read, maxima, goals, *recurrent_state = state
        read = torch.cat([read, tokens[:, None]], 1)
        if read.shape[1] > 1:  # what comes first is `start`, which the discriminator never reads
            maxima = self.leaking.next_maxima(maxima, read[:, 1:])
        feature = self.leaking.features_of(maxima)
        managed = _next(self.manager, feature, recurrent_state[:2])
        worked = _next(self.worker, self.embedding(tokens), recurrent_state[2:])
        goal = self._goal(managed[0][:, None])
        goals = torch.cat([goals[:, 1:], self.project(goal)], 1)
        hidden = self._directed(worked[0][:, None], goals.sum(1, keepdim=True))[:, 0]
        return hidden, (read, maxima, goals, *managed, *worked)

    @torch.no_grad()
    def features(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, "B T1 F"]:
        """Features of every prefix, from the empty one to the whole sequence, (B, T + 1, F).

        Args:
            tokens: Token ids, (B, T); those after an end are read too, and mean nothing.
        """
        maxima = self.leaking.no_maxima(len(tokens))
        found = [self.leaking.features_of(maxima)]
        for t in range(1, tokens.shape[1] + 1):
            maxima = self.leaking.next_maxima(maxima, tokens[:, :t])
            found.append(self.leaking.features_of(maxima))
        return torch.stack(found, 1)

    def goals(self, features: Float[Tensor, "B T F"]) -> Float[Tensor, "B T F"]:
        """The manager's goal after each prefix, differentiable.

        Args:
            features: Features of prefixes of 0, 1, 2, ... tokens, (B, T, F).
        """
        return self._goal(recurrent(lambda x: self.manager(x)[0], features))

    def hidden(
        self, tokens: Int64[Tensor, "B T"], goals: Float[Tensor, "B T F"]
    ) -> Float[Tensor, "B T H"]:
        """Hidden state that predicts each token; no gradient reaches the goals.

        Args:
            tokens: Token ids, (B, T).
            goals: Goals after 0 to T - 1 tokens, (B, T, F).
        """
        projected = F.pad(self.project(goals.detach()), (0, 0, self.goal_horizon - 1, 0))
        summed = projected.unfold(1, self.goal_horizon, 1).sum(3)
        inputs = self.embedding(F.pad(tokens[:, :-1], (1, 0), value=self.start))
        worked = recurrent(lambda x: self.worker(self._drop(x))[0], inputs)
        return self._directed(self._drop(worked), summed)

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, self.training)

    def _read(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, "B T H"]:
        with torch.no_grad():
            goals = self.goals(self.features(tokens[:, :-1]))
        return self.hidden(tokens, goals)

    def _goal(self, managed: Float[Tensor, "B T M"]) -> Float[Tensor, "B T F"]:
        return F.normalize(self.goal(managed), dim=2)

    def _directed(
        self, worked: Float[Tensor, "B T W"], direction: Float[Tensor, "B T k"]
    ) -> Float[Tensor, "B T H"]:
        """(1, h) outer w, flattened."""
        widened = F.pad(worked, (1, 0), value=1.0)
        return (widened[:, :, :, None] * direction[:, :, None]).flatten(2)


def _next(net: nn.LSTM, x: Tensor, state: list[Tensor]) -> tuple[Tensor, Tensor]:
    """State (h, c) of an LSTM of one layer after one more input."""
    w_x, w_h, b_x, b_h = net.parameters()
    return torch.lstm_cell(x, (state[0], state[1]), w_x, w_h, b_x, b_h)


def towards(
    features: Float[Tensor, "B T1 F"], goals: Float[Tensor, "B T F"], steps: int
) -> Float[Tensor, "B T"]:
    """Cosine of each goal and what the features did in the next steps, or up to the end.

    cos(f_min(t + steps, T) - f_t, g_t)

    Args:
        features: Features after 0 to T tokens, (B, T + 1, F); constant after the end of a sequence.
        goals: Goals after 0 to T - 1 tokens, (B, T, F).
        steps: Number of tokens.
    """
    length = goals.shape[1]
    later = (torch.arange(length, device=goals.device) + steps).clamp(max=length)
    return F.cosine_similarity(features[:, later] - features[:, :-1], goals, dim=2)


def intrinsic_reward(
    features: Float[Tensor, "B T1 F"], goals: Float[Tensor, "B T F"], goal_horizon: int
) -> Float[Tensor, "B T"]:
    """The worker's reward of each token: how far the features moved as the last goals wanted.

    r_t = mean over i = 1..c of cos(f_t - f_(t-i), g_(t-i)),   i at most t

    Args:
        features: Features after 0 to T tokens, (B, T + 1, F).
        goals: Goals after 0 to T - 1 tokens, (B, T, F).
        goal_horizon: Number c of goals.
    """
    total, length = torch.zeros_like(goals[:, :, 0]), goals.shape[1]
    for i in range(1, min(goal_horizon, length) + 1):
        moved = features[:, i:] - features[:, :-i]
        cosine = F.cosine_similarity(moved, goals[:, : length - i + 1], dim=2)
        total[:, i - 1 :] += cosine
    return total / torch.arange(1, length + 1, device=total.device).clamp(max=goal_horizon)


def rescaled(
    reward: Float[Tensor, "B T"], mask: Bool[Tensor, "B T"], sharpness: float = 12.0
) -> Float[Tensor, "B T"]:
    """Rewards by their rank among the rows of each position: bootstrapped rescaled activation.

    sigmoid(12 (1/2 - rank / n)),   rank 1 for the highest of n rows

    Args:
        reward: Rewards, (B, T).
        mask: True = counts, (B, T).
        sharpness: Factor, 12 in the paper.

    Source: Guo et al. 2018, eq. 12.
    """
    falling = reward.masked_fill(~mask, float("-inf")).argsort(0, descending=True)
    rank = falling.argsort(0) + 1
    return torch.sigmoid(sharpness * (0.5 - rank / mask.sum(0).clamp(min=1))) * mask
