"""Measures of images: closed forms, torchmetrics on the same features, names that hold."""

import itertools
import math
import statistics
import warnings

import pytest
import torch
from torch import nn

from image_core import metrics
from image_core.adversarial.errors import UserError
from image_core.data.toy_shapes import draw_shapes
from image_core.metrics import distances, features
from image_core.metrics.scores import Score


def gaussian(mean, spread, count=4, seed=0):
    """Points whose mean and covariance (N - 1) are exactly those of a diagonal Gaussian."""
    d = len(mean)
    x = torch.randn(count * d + 10, d, generator=torch.Generator().manual_seed(seed)).double()
    x = x - x.mean(0)
    root = torch.linalg.cholesky(x.T @ x / (len(x) - 1))
    x = torch.linalg.solve_triangular(root, x.T, upper=False).T
    return x * torch.tensor(spread).double() + torch.tensor(mean).double()


# ------------------------------------------------------------------------------------ distances


def test_frechet_of_diagonal_gaussians():
    one, other = gaussian([0.0, 0, 0], [1.0, 2, 3]), gaussian([1.0, 1, 1], [2.0, 2, 1], seed=1)
    assert metrics.frechet(one, other) == pytest.approx(8, abs=1e-9)
    assert metrics.frechet(one, one) == pytest.approx(0, abs=1e-8)
    line = metrics.frechet(gaussian([1.0], [3.0]), gaussian([-1.0], [0.5], seed=2))
    assert line == pytest.approx(4 + 2.5**2, abs=1e-9)


def test_frechet_turns_with_both_sets_and_by_another_route():
    one, other = (
        torch.randn(40, 5).double(),
        torch.randn(50, 5).double() @ torch.randn(5, 5).double(),
    )
    value = metrics.frechet(one, other)
    turn = torch.linalg.qr(torch.randn(5, 5).double())[0]
    assert metrics.frechet(one @ turn, other @ turn) == pytest.approx(value, rel=1e-9)
    a, b = distances.moments(one), distances.moments(other)
    roots = torch.linalg.eigvals(a.covariance @ b.covariance).real.clamp(min=0).sqrt().sum()
    by_product = (a.mean - b.mean).square().sum() + a.covariance.trace() + b.covariance.trace()
    assert value == pytest.approx(float(by_product - 2 * roots), rel=1e-9)
    assert metrics.frechet(a, b) == value


def test_frechet_falls_with_the_number_of_samples_as_announced():
    d, count = 16, 400
    found = [metrics.frechet(torch.randn(count, d), torch.randn(count, d)) for _ in range(10)]
    assert sum(found) / 10 == pytest.approx(distances.frechet_bias(count, d), rel=0.1)
    printed = [(200, 11.12), (500, 4.43), (2000, 1.10), (8000, 0.277)]
    for count, value in printed:
        assert distances.frechet_bias(count, 64) == pytest.approx(value, rel=0.05)


def test_frechet_of_gaussians_that_share_their_axes_is_the_distance_of_their_spreads():
    turn = torch.linalg.qr(torch.randn(4, 4).double())[0]
    one = gaussian([0.0, 0, 0, 0], [1.0, 2, 0.5, 3]) @ turn
    other = gaussian([0.0, 0, 0, 0], [2.0, 2, 1.5, 0.1], count=9, seed=1) @ turn
    expected = pytest.approx(1 + 0 + 1 + 2.9**2, abs=1e-7)
    assert metrics.frechet(one, other) == expected
    assert metrics.frechet(other, one) == expected


def test_frechet_with_fewer_vectors_than_dimensions():
    vectors = torch.randn(5, 40)
    assert metrics.frechet(vectors, vectors) == pytest.approx(0, abs=1e-9)
    moved = vectors + torch.eye(40)[0] * 3
    assert metrics.frechet(vectors, moved) == pytest.approx(9, rel=1e-4)


def test_frechet_refuses_what_has_no_moments():
    with pytest.raises(UserError, match="needs two vectors a set: got 1"):
        metrics.frechet(torch.zeros(1, 3), torch.zeros(4, 3))
    with pytest.raises(UserError, match="not finite"):
        metrics.frechet(torch.full((4, 3), math.nan), torch.zeros(4, 3))


def test_kernel_distance():
    assert metrics.kernel(torch.zeros(5, 1), torch.ones(4, 1)) == pytest.approx(7)
    many = torch.randn(3000, 1), torch.randn(3000, 1) + 1
    assert metrics.kernel(*many) == pytest.approx(22, rel=0.12)
    same = torch.tensor(
        [metrics.kernel(torch.randn(50, 4), torch.randn(50, 4)) for _ in range(400)]
    )
    assert abs(float(same.mean())) < 3 * float(same.std()) / 200**0.5
    assert (same < 0).float().mean() > 0.4  # unbiased: not clamped
    mean, spread = metrics.kernel_subsets(*many, subsets=20, size=200)
    assert mean == pytest.approx(22, rel=0.15)
    assert spread > 0
    with pytest.raises(UserError, match="two vectors"):
        metrics.kernel(torch.zeros(1, 2), torch.zeros(3, 2))


def test_the_kernel_distance_is_the_double_sum_without_the_diagonal():
    one, other = torch.randn(5, 3).double(), torch.randn(4, 3).double() + 1

    def k(a, b):
        return float((a @ b / 3 + 1) ** 3)

    def within(x):
        return statistics.fmean(k(a, b) for a, b in itertools.permutations(x, 2))

    across = statistics.fmean(k(a, b) for a, b in itertools.product(one, other))
    wanted = within(one) + within(other) - 2 * across
    assert metrics.kernel(one, other) == pytest.approx(wanted, rel=1e-9)


class Flat(nn.Module):
    """Features that torchmetrics takes as they are."""

    num_features = 12

    def forward(self, images):
        return images.flatten(1).float()


def test_frechet_and_kernel_agree_with_torchmetrics():
    fid_of = pytest.importorskip("torchmetrics.image.fid")
    kid_of = pytest.importorskip("torchmetrics.image.kid")
    one, other = torch.rand(60, 3, 2, 2), torch.rand(60, 3, 2, 2) ** 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fid = fid_of.FrechetInceptionDistance(feature=Flat(), normalize=True)
        kid = kid_of.KernelInceptionDistance(
            feature=Flat(), normalize=True, subsets=1, subset_size=60
        )
    for metric in (fid, kid):
        metric.inception = Flat()
        metric.used_custom_model = True
        metric.update(one, real=True)
        metric.update(other, real=False)
    a, b = one.flatten(1), other.flatten(1)
    assert metrics.frechet(a, b) == pytest.approx(float(fid.compute()), rel=1e-4)
    assert metrics.kernel(a, b) == pytest.approx(float(kid.compute()[0]), rel=1e-3)


# ------------------------------------------------------------------------------------ neighbours


def test_precision_and_recall():
    real = torch.randn(200, 2)
    assert metrics.precision_recall(real, real) == {"precision": 1.0, "recall": 1.0}
    far = metrics.precision_recall(real, real + 100)
    assert far == {"precision": 0.0, "recall": 0.0}
    collapsed = real[:1] + 1e-6 * torch.randn(200, 2)
    found = metrics.precision_recall(real, collapsed)
    assert found["precision"] == 1.0
    assert found["recall"] == pytest.approx(0.005, abs=0.006)


def test_density_and_coverage_by_hand():
    real = torch.tensor([[0.0], [1.0], [2.0], [10.0]])
    fake = torch.tensor([[0.5], [0.6], [9.0]])
    # distances to the second neighbour: 2, 1, 2, 9
    found = metrics.density_coverage(real, fake, k=2)
    inside = [3, 3, 1]  # 0.5 and 0.6 lie within the first three, 9 within the last
    assert found["density"] == pytest.approx((sum(inside) + 0) / (2 * 3))
    assert found["coverage"] == 1.0
    many = torch.randn(500, 3)
    alike = metrics.density_coverage(many, torch.randn(500, 3))
    assert alike["density"] == pytest.approx(1, abs=0.12)
    assert alike["coverage"] > 0.9
    outlier = torch.cat([many[:-1], torch.full((1, 3), 50.0)])
    flooded = metrics.precision_recall(outlier, torch.full((10, 3), 25.0))["precision"]
    assert flooded == 1.0
    assert metrics.density_coverage(outlier, torch.full((10, 3), 25.0))["density"] < 0.25


def test_copies_are_told_from_new_samples():
    train, held_out = torch.randn(300, 4), torch.randn(200, 4)
    new = metrics.memorisation(train, held_out, torch.randn(200, 4))
    assert new["nearest_ratio"] == pytest.approx(1, abs=0.15)
    assert new["copied"] < 0.06
    copies = metrics.memorisation(train, held_out, train[:150] + 1e-4)
    assert copies["nearest_ratio"] < 0.01
    assert copies["copied"] == 1.0


def test_copies_are_told_where_unseen_images_are_copies_too():
    train = torch.randn(100, 4)
    held_out = torch.cat([train[:10], torch.randn(90, 4)])
    copies = metrics.memorisation(train, held_out, train[20:60] + 1e-7)
    assert copies["copied"] == 1.0
    assert metrics.memorisation(train, held_out, torch.randn(200, 4))["copied"] == 0


@pytest.mark.parametrize("measure", [metrics.precision_recall, metrics.density_coverage])
def test_too_few_samples_for_neighbours(measure):
    with pytest.raises(UserError, match="neighbour"):
        measure(torch.zeros(3, 2), torch.zeros(3, 2))


# ----------------------------------------------------------------------------------- classes


def one_hot(labels, classes=10):
    return nn.functional.one_hot(torch.tensor(labels), classes).float()


def test_class_score():
    assert metrics.class_score(one_hot(list(range(4)) * 5))[0] == pytest.approx(4)
    assert metrics.class_score(torch.full((7, 10), 0.1))[0] == pytest.approx(1)
    in_order = one_hot(sorted(list(range(10)) * 100))
    mean, spread = metrics.class_score(in_order, splits=10)
    assert mean == pytest.approx(9.54, abs=0.2)  # shuffled: in order it would be 1
    assert 0 < spread < 0.5
    logits = torch.randn(500, 10)
    p = logits.softmax(1)
    by_hand = (p * (p.log() - p.mean(0).log())).sum(1).mean().exp()
    assert metrics.class_score(p)[0] == pytest.approx(float(by_hand), rel=1e-5)


def test_class_score_agrees_with_torchmetrics():
    score_of = pytest.importorskip("torchmetrics.image.inception")
    logits = torch.randn(50, 12)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = score_of.InceptionScore(feature=Flat(), splits=1)
        theirs.inception = Flat()
        theirs.used_custom_model = True
        theirs.update(logits.view(50, 3, 2, 2))
        value = float(theirs.compute()[0])
    assert metrics.class_score(logits.softmax(1))[0] == pytest.approx(value, rel=1e-4)


def test_the_birthday_paradox_tells_how_many_samples_differ():
    assert metrics.birthday_support(0.5, 23) == pytest.approx(23 * 22 / 2 / math.log(2))
    draws = torch.randint(1_000, (20_000, 40), generator=torch.Generator().manual_seed(0))
    pairs = (draws.sort(1).values.diff(dim=1) == 0).any(1).float().mean()
    assert metrics.birthday_support(float(pairs), 40) == pytest.approx(1_000, rel=0.05)
    for wrong in ((0.0, 10), (1.0, 10), (0.5, 1)):
        with pytest.raises(UserError, match="give"):
            metrics.birthday_support(*wrong)


def test_mode_score():
    even = torch.full((10,), 0.1)
    assert metrics.mode_score(one_hot(list(range(10))), even) == pytest.approx(10)
    assert metrics.mode_score(one_hot(list(range(5)) * 2), even) == pytest.approx(2.5)
    p, train = torch.rand(50, 10).softmax(1), torch.rand(10).softmax(0)
    mean = p.mean(0)
    gap = float((mean * (mean / train).log()).sum())
    expected = math.log(metrics.class_score(p)[0]) - gap
    assert math.log(metrics.mode_score(p, train)) == pytest.approx(expected, abs=1e-5)


def test_modes():
    found = metrics.modes_covered(torch.tensor([0, 0, 1, 3]), 4)
    assert found["modes"] == 3
    assert found["mode_kl"] == pytest.approx(math.log(4) - 1.5 * math.log(2))
    assert metrics.modes_covered(torch.tensor([0] * 99 + [1]), 2, 0.02)["modes"] == 1
    angle = torch.arange(8) * (2 * math.pi / 8)
    ring = 2 * torch.stack([angle.cos(), angle.sin()], 1)
    points = ring[torch.randint(7, (20_000,))] + 0.02 * torch.randn(20_000, 2)
    found = metrics.near_modes(points, ring, 0.02)
    assert found["modes"] == 7
    assert found["high_quality"] == pytest.approx(1 - math.exp(-4.5), abs=0.003)
    nothing = metrics.near_modes(points + 50, ring, 0.02)
    assert nothing["modes"] == 0
    assert nothing["mode_kl"] == pytest.approx(math.log(8))


# --------------------------------------------------------------------------- names, extractors


def test_a_score_says_how_it_was_made_and_compares_only_with_its_like():
    score = Score("fd", 12.5, "clf", "0123456789", "none", 100, 200)
    assert score.name == "fd-clf@01234567/none/100x200"
    assert metrics.difference(score, Score("fd", 2.5, "clf", "01234567ff", "none", 100, 200)) == 10
    for change in (("extractor", "pixels"), ("digest", "99999999"), ("fake", 201), ("resize", "x")):
        other = Score(**{**score.__dict__, change[0]: change[1]})
        with pytest.raises(UserError, match="different scores"):
            metrics.difference(score, other)
    assert Score("fd", 1.0, "efflite0", "ab", "x", 1, 1).short == "fd-efflite0"
    assert Score("fd", 1.0, "inception", "ab", "x", 1, 1).short == "fid"


def test_the_classifier_is_the_same_for_the_same_seed_and_knows_its_shapes():
    images, labels, _ = draw_shapes(900, 16)
    colours = labels % 3
    one = features.classifier(images, colours, steps=60)
    again = features.classifier(images, colours, steps=60)
    assert one.digest == again.digest
    assert one.accuracy > 0.9
    assert features.classifier(images, colours, steps=2, seed=1).digest != one.digest
    x = images[:300].float() / 127.5 - 1
    assert one.of(x).shape == (300, 64)
    assert torch.allclose(one.probabilities(x).sum(1), torch.ones(300), atol=1e-5)
    assert metrics.modes_covered(one.probabilities(x).argmax(1), 3)["modes"] == 3
    halves = metrics.frechet(one.of(x[:150]), one.of(x[150:]))
    noise = metrics.frechet(one.of(x), one.of(torch.rand_like(x) * 2 - 1))
    assert noise > 5 * halves


def test_pixels_know_no_classes():
    extractor = features.pixels(4)
    assert extractor.of(torch.ones(3, 2, 8, 8)).shape == (3, 32)
    with pytest.raises(UserError, match="no classes"):
        extractor.probabilities(torch.ones(3, 2, 8, 8))


def test_inception_is_known_by_its_hash(tmp_path):
    fake = tmp_path / "inception.pth"
    fake.write_bytes(b"other weights")
    with pytest.raises(UserError, match=r"inception.pth has SHA-256 .* no FID"):
        features.inception(fake)
    with pytest.raises(UserError, match="cannot be read"):
        features.inception(tmp_path / "none.pth")
