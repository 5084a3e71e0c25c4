"""Plain loops of translation systems, as a textbook writes them: one backward after the other."""

import torch
from torch.nn.functional import binary_cross_entropy_with_logits as bce


def sgd(*nets):
    """Adam would step by the sign of gradients that are 0 but for rounding."""
    return torch.optim.SGD([p for net in nets for p in net.parameters()], lr=0.01)


def pix2pix(G, D, batches, weight):
    """Isola et al. 2017, the generator first; D sees the same fakes."""
    of_g, of_d = sgd(G), sgd(D)
    for a, b in batches:
        of_g.zero_grad()
        fake = G(a)
        logits = D(torch.cat([a, fake], 1))
        (bce(logits, torch.ones_like(logits)) + weight * (fake - b).abs().mean()).backward()
        of_g.step()
        of_d.zero_grad()
        real, made = D(torch.cat([a, b], 1)), D(torch.cat([a, fake.detach()], 1))
        (bce(real, torch.ones_like(real)) + bce(made, torch.zeros_like(made))).backward()
        of_d.step()


def cyclegan(ab, ba, DA, DB, batches, cycle, identity):
    """Zhu et al. 2017 without a pool; least squares with 1/2."""
    of_g, of_a, of_b = sgd(ab, ba), sgd(DA), sgd(DB)
    for a, b in batches:
        of_g.zero_grad()
        fake_b, fake_a = ab(a), ba(b)
        loss = ((DB(fake_b) - 1) ** 2).mean() / 2 + ((DA(fake_a) - 1) ** 2).mean() / 2
        loss = loss + cycle * ((ba(fake_b) - a).abs().mean() + (ab(fake_a) - b).abs().mean())
        loss = loss + identity * ((ba(a) - a).abs().mean() + (ab(b) - b).abs().mean())
        loss.backward()
        of_g.step()
        for D, optimizer, real, fake in ((DA, of_a, a, fake_a), (DB, of_b, b, fake_b)):
            optimizer.zero_grad()
            loss = ((D(real) - 1) ** 2).mean() / 2 + (D(fake.detach()) ** 2).mean() / 2
            loss.backward()
            optimizer.step()
