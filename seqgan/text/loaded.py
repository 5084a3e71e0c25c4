"""A trained run of sequences to work with, without its training data."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int64
from torch import Tensor

from image_core.adversarial.arguments import python_call
from image_core.adversarial.errors import UserError
from image_core.runs import options
from image_core.runs.loaded import LoadedRun
from seqgan.data.tokenizer import TextTokenizer
from seqgan.lm.likelihood import sentence_nll
from seqgan.lm.policies import SequencePolicy
from seqgan.text.discriminators import SequenceDiscriminator
from seqgan.text.games.infill import InfillGame
from seqgan.text.games.policy import PolicyGame
from seqgan.text.infill import InfillPolicy, sentence_with_gaps, tell_of_separate_gaps
from seqgan.text.mixture import MixturePolicy
from seqgan.text.residual import ResidualPolicy
from seqgan.text.run import SequenceRun

HOTTEST = 1000.0
"""Maximum temperature; far above it, even tokens that a policy never draws would be drawn."""
GREEDY = 1e-9
"""Value of top_p that leaves the likeliest token alone."""
MODELS = ("seqgan", "mle")
ROWS = 1000


def check_settings(
    n: int,
    temperature: float = 1.0,
    top_p: float = 1.0,
    greedy: bool = False,
    model: str = "seqgan",
) -> None:
    """Refuse settings of `LoadedText.sample` that are out of range or contradict one another.

    Args:
        n: Number of sentences for each prompt.
        temperature: Sampling temperature.
        top_p: Probability mass of nucleus sampling.
        greedy: Whether the likeliest token is taken each time.
        model: Policy to sample from.

    Raises:
        UserError: A value is invalid; the message names the option.
    """
    if n < 1:
        raise UserError(f"--n {n}: it must be at least 1")
    if not 0 < temperature <= HOTTEST:
        raise UserError(f"--temperature {temperature}: it must be above 0 and at most {HOTTEST:g}")
    if not 0 < top_p <= 1:
        raise UserError(f"--top_p {top_p}: it must be above 0 and at most 1")
    options.check_choice("model", model, MODELS)
    if greedy and (n > 1 or temperature != 1 or top_p != 1):
        raise UserError(
            "--greedy takes the likeliest token each time, so a prompt has one sentence; leave "
            "--n, --temperature and --top_p away"
        )


class LoadedText(LoadedRun[SequenceRun]):
    """A trained run on text or on an oracle.

    Sentences are strings: those of an oracle are numbers with blanks between.

    Args:
        run: Run that was built without data; its last checkpoint is loaded.
    """

    @property
    def tokenizer(self) -> TextTokenizer:
        """The run's tokenizer.

        Raises:
            UserError: The run is on an oracle, whose tokens are numbers.
        """
        return self._run.text_tokenizer()

    @python_call(prompt="prompts")
    def sample(
        self,
        n: int | None = None,
        *,
        prompts: Sequence[str] = (),
        temperature: float = 1.0,
        top_p: float = 1.0,
        greedy: bool = False,
        model: str = "seqgan",
        label: str | None = None,
        rescore: int = 1,
        best_of: int = 1,
        seed: int | None = None,
    ) -> list[str]:
        """Draw sentences; with prompts, n for each of them in their order.

        Args:
            n: Number of sentences for each prompt; None for 10, or 1 if greedy.
            prompts: First words of the sentences; empty for none.
            temperature: Sampling temperature, above 0; below 1 sharpens.
            top_p: Probability mass of the most likely tokens, from which alone samples are drawn.
            greedy: Whether the likeliest token is taken each time.
            model: "seqgan" for the policy after the adversarial rounds, "mle" for that after
                maximum likelihood.
            label: Label of the sentences, in a run that writes text by label; None for all labels
                with their frequencies.
            rescore: Candidates of each sentence, of which one is drawn by the softmax of the
                discriminator's logit: the policy becomes a residual energy model.
            best_of: Candidates of each sentence, of which the one with the highest logit is taken.
            seed: Seed of the draws; None continues torch's random numbers.

        Raises:
            UserError: A value is invalid, or a prompt cannot be used.
        """
        count = n if n is not None else 1 if greedy else 10
        check_settings(count, temperature, top_p, greedy, model)
        judge = self._judge(best_of, rescore, greedy)
        given = [self._run.encode_prompt(prompt) for prompt in prompts]
        empty = torch.zeros(0, dtype=torch.int64)
        with torch.random.fork_rng(enabled=seed is not None):
            if seed is not None:
                options.check_seed(seed)
                torch.manual_seed(seed)
            rows = self._draw(
                [prompt for prompt in given or [empty] for _ in range(count * best_of)],
                self._rescored(self._labelled(self._policy(model), label), rescore),
                temperature,
                GREEDY if greedy else top_p,
            )
        if judge is not None:
            told = judge.eval().scorer()(rows.to(self._run.engine.device)).view(-1, best_of)
            rows = rows.view(-1, best_of, rows.shape[1])[torch.arange(len(told)), told.argmax(1)]
        return [self._run.decode(row) for row in rows.tolist()]

    @python_call()
    def infill(
        self,
        text: str,
        n: int = 10,
        *,
        temperature: float = 1.0,
        top_p: float = 1.0,
        model: str = "seqgan",
        seed: int | None = None,
    ) -> list[str]:
        """Fill the gaps of a sentence.

        Args:
            text: Sentence with ___ for each token that is missing.
            n: Number of sentences.
            temperature: Sampling temperature, above 0; below 1 sharpens.
            top_p: Probability mass of the most likely tokens, from which alone samples are drawn.
            model: "seqgan" or "mle", as in `sample`.
            seed: Seed of the draws; None continues torch's random numbers.

        Raises:
            UserError: The run fills no gaps, a value is invalid, or the sentence cannot be used.
        """
        check_settings(n, temperature, top_p, model=model)
        policy = self._policy(model)
        if not isinstance(policy, InfillPolicy):
            raise UserError(f"{self.folder} fills no gaps; train one with --paper maskgan")
        tokens, gaps = sentence_with_gaps(
            text, lambda part: self._run.encode_prompt(part, "text"), policy, self._run.game.length
        )
        if isinstance(self._run.game, InfillGame):
            tell_of_separate_gaps(gaps, self._run.game.kind)
        device = self._run.engine.device
        with torch.random.fork_rng(enabled=seed is not None):
            if seed is not None:
                options.check_seed(seed)
                torch.manual_seed(seed)
            rows = policy.fill(
                tokens.expand(n, -1).to(device),
                gaps.expand(n, -1).to(device),
                temperature=temperature,
                top_p=top_p,
                never=self._run.never,
            )
        return [self._run.decode(row) for row in rows.tolist()]

    @python_call()
    def score(
        self, sentences: Sequence[str], *, temperature: float = 1.0, model: str = "seqgan"
    ) -> Float64[np.ndarray, " N"]:
        """Log-probability log pi(y) of each sentence in nats, its end included.

        A word outside the vocabulary counts as the unknown token.

        Args:
            sentences: Sentences to score.
            temperature: Temperature of the density.
            model: "seqgan" or "mle", as in `sample`.

        Raises:
            UserError: A value is invalid, or a sentence is not of the run's fixed length.
        """
        check_settings(1, temperature, model=model)
        tokens = self._encode(sentences)
        return -sentence_nll(self._policy(model), tokens, temperature).nats

    @python_call()
    def discriminate(self, sentences: Sequence[str]) -> Float32[np.ndarray, " N"]:
        """The discriminator's logit of each sentence; high = real.

        Args:
            sentences: Sentences to judge.

        Raises:
            UserError: A sentence is not of the run's fixed length, or the paper has no
                discriminator.
        """
        logits = self._run.game.discriminate(self._encode(sentences))
        if logits is None:
            raise UserError(f"{self._run.paper.title} has no discriminator; use score instead")
        return logits.cpu().float().numpy()

    def _policy(self, model: str) -> SequencePolicy:
        game = self._run.game
        return game.writer() if model == "seqgan" else game.mle.eval()

    def _judge(self, best_of: int, rescore: int, greedy: bool) -> SequenceDiscriminator | None:
        """The discriminator that chooses the best of several, if there are several."""
        if best_of < 1:
            raise UserError(f"--best_of {best_of}: it must be at least 1")
        if best_of == 1:
            return None
        if rescore > 1 or greedy:
            name = "--greedy" if greedy else f"--rescore {rescore}"
            raise UserError(f"--best_of {best_of} and {name}: leave one of them out")
        game = self._run.game
        if not isinstance(game, PolicyGame):
            raise UserError(
                f"--best_of {best_of}: {self._run.paper.title} has no discriminator of whole "
                "sentences; leave it out"
            )
        return game.ranker()

    def _rescored(self, policy: SequencePolicy, candidates: int) -> SequencePolicy:
        """The policy corrected by the discriminator, if there is more than one candidate."""
        if candidates < 1:
            raise UserError(f"--rescore {candidates}: it must be at least 1")
        if candidates == 1:
            return policy
        game, title = self._run.game, self._run.paper.title
        if not isinstance(game, PolicyGame) or isinstance(policy, ResidualPolicy):
            raise UserError(
                f"--rescore {candidates}: {title} has no discriminator of whole sentences that is "
                "not used already; leave it out"
            )
        return ResidualPolicy(policy, game.D, game.length, candidates=candidates)

    def _labelled(self, policy: SequencePolicy, label: str | None) -> SequencePolicy:
        """The policy of a label."""
        if label is None:
            return policy
        names = list(self._run.label_counts)
        if not isinstance(policy, MixturePolicy):
            raise UserError(
                f"--label {label}: {self.folder} does not write text by label; train one with "
                "--paper sentigan or catgan"
            )
        options.check_choice("label", label, names)
        return policy.labelled()[names.index(label)]

    def _encode(self, sentences: Sequence[str]) -> Int64[Tensor, "N T"]:
        return self._run.encode_sentences(sentences).to(self._run.engine.device)

    def _draw(
        self,
        prompts: Sequence[Tensor],
        policy: SequencePolicy,
        temperature: float,
        top_p: float,
    ) -> Int64[Tensor, "N T"]:
        """One sequence for each prompt; prompts of one length are drawn together."""
        game = self._run.game
        rows = torch.empty(len(prompts), game.length, dtype=torch.int64)
        lengths = torch.tensor([len(prompt) for prompt in prompts])
        for length in lengths.unique().tolist():
            for places in (lengths == length).nonzero()[:, 0].split(ROWS):
                given = torch.stack([prompts[place] for place in places.tolist()])
                rows[places] = policy.sample(
                    len(places),
                    game.length,
                    temperature=temperature,
                    top_p=top_p,
                    never=self._run.never,
                    prompt=given.to(self._run.engine.device),
                ).cpu()
        return rows


Loaded = LoadedText
