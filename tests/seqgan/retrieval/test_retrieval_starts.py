"""Starts of retrieval: losses by hand, negatives, and what each player moves."""

import pytest
import torch

from image_core.adversarial.engine import Engine
from image_core.adversarial.errors import UserError
from image_core.adversarial.game import Turn
from seqgan.retrieval.fit_game import RankingGame, draw_unlabelled, fit_loss
from seqgan.retrieval.ragged import Ragged
from seqgan.retrieval.scorers import MatrixFactorization
from seqgan.retrieval.split import Split
from tests.seqgan.retrieval.small import adam, small


def test_softmax_loss_by_hand():
    game = small()
    batch = game.split.batch(torch.arange(4))
    scores = (game.G.query @ game.G.document.T + game.G.bias).log_softmax(1)
    wanted = -scores[[0, 0, 2, 3, 3, 3], [1, 4, 0, 2, 3, 5]].mean()
    assert fit_loss("softmax")(game.G, batch).item() == pytest.approx(wanted.item(), rel=1e-6)


def test_negatives_of_bpr_are_unlabelled_and_uniform():
    game = small()
    batch = game.split.batch(torch.arange(4))
    marks = game.split.gain(torch.arange(4)) > 0
    seen = torch.zeros(6, 7)
    for _ in range(300):
        column, fine = draw_unlabelled(batch, 4)
        assert not marks[batch.owner[:, None].expand_as(column), column][fine].any()
        seen.scatter_add_(1, column, fine.float())
    for row, q in enumerate([0, 0, 2, 3, 3, 3]):
        share = seen[row][~marks[q]] / seen[row].sum()
        assert torch.allclose(share, torch.tensor(1 / len(share)), atol=0.05)


def test_dns_takes_the_hardest():
    positives = Ragged(torch.tensor([0, 1]), torch.tensor([0]))
    split = Split(torch.arange(1), 5, positives)
    scorer = MatrixFactorization(1, 5, 2, 0.0)
    with torch.no_grad():
        scorer.bias.copy_(torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0]))
    loss = fit_loss("dns", drawn=60)(scorer, split.batch(torch.arange(1)))
    assert loss.item() == pytest.approx(torch.nn.functional.softplus(torch.tensor(4.0)).item())


def test_l2_of_the_documents_compared():
    game = small()
    batch = game.split.batch(torch.arange(4))
    u, v = game.G.query.square().sum(1), game.G.document.square().sum(1)
    q, d = torch.tensor([0, 0, 2, 3, 3, 3]), torch.tensor([1, 4, 0, 2, 3, 5])
    plain, heavy = (fit_loss("softmax", l2=l2)(game.G, batch) for l2 in (0.0, 0.1))
    wanted = 0.1 * (u[q].mean() + v[d].mean()) / 2
    assert (heavy - plain).item() == pytest.approx(wanted.item(), rel=1e-4)


def test_unknown_start():
    with pytest.raises(UserError, match="method"):
        RankingGame(MatrixFactorization(4, 7, 3), small().split, method="magic")


def test_players_move_in_their_own_turns():
    game = small(exact=True)
    engine = Engine(game, {"start": adam, "G": adam, "D": adam})
    before = {k: v.clone() for k, v in game.state_dict().items()}
    rows = torch.arange(4)
    list(engine.rounds(lambda index: rows, 1, turns=[Turn("start", game.start_move)]))
    moved = {k for k, v in game.state_dict().items() if not torch.equal(v, before[k])}
    assert moved == {"G.query", "G.document", "G.bias"}
