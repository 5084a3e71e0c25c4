"""Bayesian GAN: its losses term by term, one member as the plain game, means of what many say."""

import pytest
import torch
from torch.nn.functional import cross_entropy, softplus

from image_core.adversarial.tricks import match_features
from image_core.games.bayesian import BayesianGAN, tiny
from image_core.games.semi import SemiSupervisedGAN
from image_core.nets.dcgan import dcgan
from image_core.nets.discriminators import ClassDiscriminator
from image_core.nets.mixture import MixtureGenerator


@pytest.fixture(scope="module")
def made():
    torch.manual_seed(0)
    return tiny()


def total(move, batch, seed=4):
    torch.manual_seed(seed)
    return next(iter(move(iter([batch]))))[0]


def test_one_discriminator_and_generator_are_the_semi_supervised_game(made):
    _, batch = made
    G, D = dcgan(8, 1, 4, width=0.1, norm="weight")
    D = ClassDiscriminator(D, 3)
    game = BayesianGAN(MixtureGenerator([G]), [D], 4, batch=6, prior="normal")
    plain = SemiSupervisedGAN(G, D, 4, batch=6)
    found, wanted = (total(g.discriminator_move, batch) for g in (game, plain))
    torch.testing.assert_close(found, wanted)


def test_losses_are_means_over_the_other_side_and_sums_over_ones_own(made):
    game, batch = made
    found_d = total(game.discriminator_move, batch)
    torch.manual_seed(4)
    fakes = [G(game.draw(6)) for G in game.G.members]
    wanted = 0.0
    for D in game.D:
        wanted += cross_entropy(D(batch["labelled"])[0], batch["labels"])
        wanted += softplus(-D(batch["images"])[0].logsumexp(1)).mean() / 2
        wanted += sum(softplus(D(x)[0].logsumexp(1)).mean() for x in fakes) / 2 / len(fakes)
    torch.testing.assert_close(found_d, wanted)
    found_g = total(game.generator_move, batch)
    wanted = 0.0
    for D in game.D:
        real = D(batch["images"])[1]
        for x in fakes:
            logits, features = D(x)
            wanted += softplus(-logits.logsumexp(1)).mean() + match_features(real, features)
    torch.testing.assert_close(found_g, wanted / len(game.D))


def test_one_class_without_labels_is_a_plain_logit(made):
    _, batch = made
    G, D = dcgan(8, 1, 4, width=0.1, norm="weight")
    one = ClassDiscriminator(D, 1)
    game = BayesianGAN(
        MixtureGenerator([G]), [one], 4, labelled=False, feature_matching=0.0, batch=6
    )
    images = {"images": batch["images"]}
    torch.manual_seed(4)
    fake = G(game.draw(6))
    d_real, d_fake = (one(x)[0][:, 0] for x in (batch["images"], fake))
    wanted = (softplus(-d_real).mean() + softplus(d_fake).mean()) / 2
    torch.testing.assert_close(total(game.discriminator_move, images), wanted)
    torch.testing.assert_close(total(game.generator_move, images), softplus(-d_fake).mean())


def test_what_many_say_is_the_mean_of_probabilities(made):
    game, batch = made
    with torch.no_grad():
        told = game.d_scores(batch["images"], ()).sigmoid()
        each = [D.eval()(batch["images"])[0] for D in game.D]
        torch.testing.assert_close(told, sum(x.logsumexp(1).sigmoid() for x in each) / len(each))
        torch.testing.assert_close(
            game.probabilities(batch["images"]), torch.stack([x.softmax(1) for x in each])
        )
        game.D.train()


def test_the_shares_of_generators_are_nobodys_to_learn(made):
    game, _ = made
    learned = {id(p) for weights in game.players().values() for p in weights}
    assert id(game.G.alpha) not in learned
    assert len(learned) == len(list(game.parameters())) - 1
