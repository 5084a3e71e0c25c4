"""A discriminator that names the label of a real sequence, or says that it is generated."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from seqgan.text.discriminators import CNNDiscriminator, Scorer


class LabelDiscriminator(CNNDiscriminator):
    """k + 1 classes: one for the real sequences of each label, the last for generated ones.

    logit = log sum_(i <= k) exp(o_i) - o_(k+1)                    (real against generated)

    Args:
        vocab: Number of token ids.
        classes: Number k of labels.
        filters: Filters as (width, number) of each convolution.
        end: Id that ends a sequence; None if all sequences have one length.
        dropout: Probability of dropping a feature in training mode.
        l2: Weight of the squared norm of the output layer's parameters.

    Source: Wang & Wan 2018.
    """

    def __init__(
        self,
        vocab: int,
        classes: int,
        filters: Sequence[tuple[int, int]],
        *,
        end: int | None = None,
        dropout: float = 0.25,
        l2: float = 0.2,
    ):
        super().__init__(vocab, filters=filters, end=end, dropout=dropout, l2=l2)
        features = len(self.output_weight)
        self.output_weight = nn.Parameter(torch.empty(features, classes + 1))
        self.output_bias = nn.Parameter(torch.full((classes + 1,), 0.1))
        nn.init.trunc_normal_(self.output_weight, std=0.1, a=-0.2, b=0.2)

    def classify(self, tokens: Int64[Tensor, "B T"]) -> Float[Tensor, "B K"]:
        """Logits of the k + 1 classes.

        Args:
            tokens: Token ids, (B, T).
        """
        return self._outputs(self.represent(tokens))

    def label_scorer(self, label: int) -> Scorer:
        """As `scorer`, for the logit of a label against all other classes.

        Args:
            label: Number of the label.
        """

        def last(features: Tensor) -> Tensor:
            log_p = self._outputs(features).log_softmax(1)
            others = torch.cat([log_p[:, :label], log_p[:, label + 1 :]], 1)
            return log_p[:, label] - others.logsumexp(1)

        return self._while_fixed(lambda tokens: last(self.represent(tokens)), last)

    def _outputs(self, x: Float[Tensor, "B F"]) -> Float[Tensor, "B K"]:
        return torch.addmm(self.output_bias, x, self.output_weight)

    def logit_of(self, x: Float[Tensor, "B F"]) -> Float[Tensor, " B"]:
        outputs = self._outputs(x)
        return outputs[:, :-1].logsumexp(1) - outputs[:, -1]
