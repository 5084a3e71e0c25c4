"""StackGAN and its relatives: pictures from sentences.

Encoder and matcher first, then the stages one by one, each judged by pictures of its averaged
generator. Result: what the pictures show against what was asked for, and how they differ from data.
"""

import sys
import zlib
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from image_core.adversarial import parallel
from image_core.adversarial.callbacks import DISCRIMINATOR_AT_CHANCE, DISCRIMINATOR_WINS
from image_core.adversarial.discrimination import qualities
from image_core.adversarial.errors import UserError
from image_core.runs import options, recipe
from image_core.runs.batches import Batches
from image_core.runs.fingerprint import fingerprint
from image_core.runs.papers import Papers
from image_core.runs.phase import Phase
from image_core.runs.players import make_engine
from seqgan.data.tokenizer import Level, TextTokenizer
from seqgan.text2image.config import PairOptions, Text2ImageOptions
from seqgan.text2image.data import Pairs, Places, read_data
from seqgan.text2image.encoders import (
    CharEncoder,
    EncodedSentences,
    PretrainedEncoder,
    TextEncoder,
    WordEncoder,
    compute_features,
)
from seqgan.text2image.games.stack import StackGame, Stage, as_floats, shrink
from seqgan.text2image.games.tree import TreeGame
from seqgan.text2image.presets import PRESETS as PRESETS
from seqgan.text2image.report import Painter, Text2ImageSubject, judge, write_report
from seqgan.text2image.shapes import hard_negative
from seqgan.text2image.wrong import wrong_rows

HARD_NEGATIVES = 4
"""Wrong sentences of a caption to choose among."""


PAPERS = Papers(
    "seqgan.text2image.papers", "stackgan", shared=Text2ImageOptions, own=Text2ImageOptions
)


class Text2ImageRun(recipe.Run):
    """A run of text to image.

    Args:
        config: Options of the run.
        data: Whether the data are read; to draw, the tokenizer of the run's folder is enough.

    Raises:
        UserError: The data cannot be read, or do not fit the options.
    """

    recipe = "text2image"
    show = ("match/right", "attributes_validation", "r_precision_validation", "d_auc")
    movable = ("data", "captions", "valid", "test")
    config: Text2ImageOptions
    game: StackGame | TreeGame

    def __init__(self, config: Text2ImageOptions, *, data: bool = True):
        super().__init__(config, data=data)
        self.paper = PAPERS.load(config.paper)
        self.device = options.pick_device(config.device)
        if data:
            self._read()
        self.encoder = self._encoder(self.captions if data else None)
        self.game = self.paper.game(config, self.encoder).to(self.device)
        generators = [name for name in self.game.players() if name.startswith("G")]
        self.engine = make_engine(
            self.game,
            self.paper.players(config),
            config.precision,
            source=self.paper.file,
            shard=config.shard,
            ema=dict.fromkeys(generators, config.ema_decay),
        )
        if data:
            self._number_captions()

    # -- data ------------------------------------------------------------------------------------

    def _read(self) -> None:
        """Training pictures, and pictures to measure with."""
        c = self.config
        own = c.captions, c.valid, c.test, c.split_seed
        places = Places(c.data, c.side, *own, size=c.size, seed=c.seed, fit=c.fit)
        self.read = read_data(places, c.eval_samples, c.batch)
        self.train_set = self.read.training
        self.captions = sorted({text for own in self.train_set.captions for text in own})
        self.near: Int64[Tensor, "C K"] | None = None

    def _number_captions(self) -> None:
        """Captions by number, those too long left out; which of them each picture has."""
        c, encoder = self.config, self.encoder
        ids = encoder.tokens(self.captions)
        long = {text for text, own in zip(self.captions, ids) if len(own) > encoder.longest}
        if long:
            print(
                f"{len(long):,} captions are longer than the {encoder.longest} tokens that "
                "--encoder reads and are left out; raise --longest to keep them",
                file=sys.stderr,
            )
        kept = [(text, own) for text, own in zip(self.captions, ids) if text not in long]
        if not kept:
            raise UserError(
                f"every caption of {c.data} is longer than --longest {encoder.longest}; raise it"
            )
        number = {text: i for i, (text, _) in enumerate(kept)}
        self.tokens = encoder.pad([own for _, own in kept])
        own = [[number[t] for t in texts if t in number] for texts in self.train_set.captions]
        self.pictures = torch.tensor([i for i, numbers in enumerate(own) if numbers])
        self.own = [numbers for numbers in own if numbers]
        rows = {"picture": torch.arange(len(self.own))}
        self.rows = Batches(rows, c.batch, seed=c.seed)
        if c.hard_negatives:
            self._number_hard_negatives([text for text, _ in kept])
        self.features: EncodedSentences | None = None

    def _number_hard_negatives(self, captions: Sequence[str]) -> None:
        """Some hard negatives of each caption, numbered after the captions."""
        draw = np.random.default_rng([self.config.seed, len(captions)])
        texts = [hard_negative(text, draw) for text in captions for _ in range(HARD_NEGATIVES)]
        number = {text: len(captions) + i for i, text in enumerate(dict.fromkeys(texts))}
        self.near = torch.tensor([number[text] for text in texts]).view(-1, HARD_NEGATIVES)
        more = self.encoder.pad(self.encoder.tokens(list(number)))
        self.tokens = torch.cat([self.tokens, more])

    def data(self, index: int) -> dict[str, Tensor]:
        """Batch number `index`: pictures, one caption each, and a wrong one."""
        rows = self.rows(index)
        assert isinstance(rows, dict)
        picture = rows["picture"]
        draw = np.random.default_rng([self.config.seed, index])
        caption = [own[int(draw.integers(len(own)))] for own in map(self.own.__getitem__, picture)]
        number = torch.tensor(caption)
        batch = {
            "image": self.train_set.images[self.pictures[picture]],
            "tokens": self.tokens[number],
            "caption": number,
            "picture": picture,
        }
        if self.features is not None:
            own, few = self.features.pick(number), self.config.candidates
            text = self.scale(own.sentence)
            if self.near is None:
                others = wrong_rows(caption, picture.tolist(), text if few > 1 else None, few)
                wrong = text[others]
            else:
                column = torch.from_numpy(draw.integers(HARD_NEGATIVES, size=len(number)))
                wrong = self.scale(self.features.sentence[self.near[number, column]])
            batch |= {"text": text, "wrong": wrong}
            batch |= {**own._asdict(), "words": own.words.float()}
        return batch

    def data_fingerprint(self) -> int:
        pictures = [pairs.images for pairs in (self.read.validation, *self.read.splits.values())]
        crc = fingerprint([self.train_set.images, *pictures])
        for own in self.train_set.captions:
            crc = zlib.crc32("\n".join(own).encode(), crc)
        return crc

    def data_source(self) -> str:
        return f"--data {self.config.data}"

    # -- what is trained -------------------------------------------------------------------------

    def _encoder(self, captions: Sequence[str] | None) -> TextEncoder:
        c = self.config
        if c.encoder not in ("gru", "char"):
            return PretrainedEncoder(c.encoder, c.tokens())
        level: Level = "word" if c.encoder == "gru" else "char"
        place = self.folder.folder / "tokenizer"
        if captions is None or place.is_dir():
            tokenizer = TextTokenizer.load(place)
        else:
            tokenizer = TextTokenizer.train(captions, level)
        kind = WordEncoder if c.encoder == "gru" else CharEncoder
        return kind(tokenizer, c.features, c.tokens())

    # -- phases ----------------------------------------------------------------------------------

    def start(self) -> None:
        super().start()
        if parallel.first() and isinstance(self.encoder, (WordEncoder, CharEncoder)):
            self.encoder.tokenizer.save(self.folder.folder / "tokenizer")
        self._use_features()

    def phases(self) -> list[Phase]:
        """The paper's phases; where it has none, the matcher's, then each stage's.

        An earlier stage stands still while a later one learns.
        """
        if self.paper.phases is not None:
            return self.paper.phases(self)
        return [self.match_phase(), *self.stage_phases()]

    def match_phase(self) -> Phase:
        """Encoder and matcher learn which sentence is of which picture."""
        c = self.config
        turns = [turn._replace(repeat=c.steps) for turn in self.game.match_turns()]
        return Phase("match", turns, c.match_rounds, leave=self._use_features)

    def stage_phases(self) -> list[Phase]:
        """The adversarial rounds of each stage."""
        return [
            self._stage(1 if stage == 1 else 2, rounds)
            for stage, rounds in enumerate(self.config.stage_rounds(), 1)
        ]

    def _stage(self, stage: Stage, rounds: int) -> Phase:
        c = self.config
        return Phase(
            f"stage {'I' * stage}",
            [*self.game.stage_turns(stage)] * c.steps,
            rounds,
            partial(self.evaluate, stage),
            c.evaluate_every,
            leave=partial(self._keep_average, stage),
            limits=[DISCRIMINATOR_AT_CHANCE, DISCRIMINATOR_WINS._replace(metric="d_accuracy")],
        )

    def _keep_average(self, stage: Stage) -> None:
        """The averaged generator is what stage II stands on, and what is saved."""
        name = f"G{stage}"
        average = self.engine.ema[name].module
        self.game.get_submodule(name).load_state_dict(average.state_dict())

    def resume(self) -> None:
        super().resume()
        self._use_features()

    def load(self) -> None:
        super().load()
        if self.has_data:
            self._use_features()

    def _use_features(self) -> None:
        """Vectors of all captions, once the encoder stands still; of unit variance."""
        learning = self.engine.notes.get("phase", 0) == 0 and not self._matched()
        if learning and not self.encoder.frozen:
            return
        with self.engine.whole():
            found = compute_features(
                self.encoder,
                self.tokens,
                self.folder.folder / "features",
                words=self.config.reads_words(),
            )
        if "mean" not in self.engine.notes:
            self.engine.notes["mean"] = found.sentence.mean(0).tolist()
            self.engine.notes["std"] = found.sentence.std(0).clamp(min=1e-3).tolist()
        self.features = found

    def _matched(self) -> bool:
        return self.engine.notes.get("phase_round", 0) >= self.config.match_rounds

    def scale(self, sentence: Float[Tensor, "N E"]) -> Float[Tensor, "N E"]:
        """Vectors of sentences as generators and discriminators see them."""
        notes = self.engine.notes
        return (sentence - torch.tensor(notes["mean"])) / torch.tensor(notes["std"])

    # -- drawing ---------------------------------------------------------------------------------

    def encode(self, sentences: Sequence[str]) -> EncodedSentences:
        """Vectors of sentences and words, as generators see them."""
        found = self.encoder_vectors(sentences)
        return found._replace(sentence=self.scale(found.sentence)).to(self.device)

    def encoder_vectors(self, sentences: Sequence[str]) -> EncodedSentences:
        """Vectors of sentences and words, as the matcher sees them."""
        return compute_features(self.encoder, self.encoder.pad(self.encoder.tokens(sentences)))

    def stages_done(self) -> int:
        """Stages that have begun: the last of them draws."""
        return max(1, min(self.engine.notes.get("phase", 0), len(self.config.stage_rounds())))

    @torch.no_grad()
    def draw(
        self,
        text: EncodedSentences,
        *,
        seed: int,
        stage: int | None = None,
        z: Float[Tensor, "N Z"] | None = None,
    ) -> Float[Tensor, "N 3 S S"]:
        """Pictures of the averaged generators; leaves the run's own random numbers alone.

        Args:
            text: Sentences to draw.
            seed: Seed of noise and conditions.
            stage: Stage that draws, 1 at the side of stage I; None for the last that was begun.
            z: Noise of the pictures; None draws it.
        """
        stage = stage or self.stages_done()
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(seed)
            count = len(text.sentence)
            z = self.game.G1.draw(count, self.device) if z is None else z
            nets = {name: average.module for name, average in self.engine.ema.items()}
            rows = [slice(i, i + 250) for i in range(0, count, 250)]
            made = [self.game.paint(nets, z[r], text.pick(r), stage).cpu() for r in rows]
        return torch.cat(made)

    def evaluate(self, stage: Stage) -> dict[str, float]:
        """What pictures of the stage show, against what the log's sentences ask for."""
        pairs, grid = self.read.validation, f"round_{self.engine.round:06d}.png"
        judged = judge(self.painter(), pairs, stage, self.folder.samples / grid)
        return {**judged, **self.discrimination(stage, pairs)}

    @torch.no_grad()
    def discrimination(self, stage: int, pairs: Pairs) -> dict[str, float]:
        """AUC and accuracy of a stage's discriminator: whole held-out pairs against fresh pictures.

        The fresh ones are of the same sentences, by the generators as they are.

        Args:
            stage: Stage whose discriminator it is.
            pairs: Pairs that nothing learned from.
        """
        text, count = self.encode(pairs.captions), len(pairs.captions)
        nets = {n: self.game.get_submodule(n).eval() for n in self.engine.ema}
        logits: tuple[list[Tensor], list[Tensor]] = ([], [])
        with torch.random.fork_rng([self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(self.config.seed)
            for start in range(0, count, 250):
                rows = slice(start, min(start + 250, count))
                own = text.pick(rows)
                z = self.game.G1.draw(len(own.sentence), self.device)
                fake = self.game.paint(nets, z, own, stage)
                real = shrink(as_floats(pairs.images[rows]), fake.shape[-1]).to(self.device)
                for kept, images in zip(logits, (real, fake), strict=True):
                    kept.append(self.game.pair_logits(stage, images, own.sentence).cpu())
        d_real, d_fake = map(torch.cat, logits)
        return qualities(d_real, d_fake, diagnose=self.config.diagnose)

    def painter(self) -> Painter:
        """What of the run draws pictures of sentences, and judges them."""
        return Painter(
            config=self.config,
            title=self.paper.title,
            encode=self.encode,
            draw=self.draw,
            matcher=self.game.matcher,
            matched=self.encoder_vectors,
            device=self.device,
            discriminate=self.discrimination,
            objective=objective(self.config, self.game),
        )

    def report(self, cpu_seconds: float | None = None) -> None:
        subject = Text2ImageSubject(
            painter=self.painter(),
            data=self.read,
            folder=self.folder,
            stages=self.stages_done(),
            alarms=self.engine.notes.get("alarms", []),
            rounds=self.engine.round,
            steps=self.engine.steps,
        )
        write_report(subject, cpu_seconds)


def objective(config: Text2ImageOptions, game: StackGame | TreeGame) -> dict[str, str]:
    """Names of loss and penalty, as tables print them; nothing of a paper without either.

    Args:
        config: Options of the run.
        game: Game of the run.
    """
    if not isinstance(config, PairOptions):
        return {}
    terms = [config.penalty] if config.penalty else []
    if isinstance(game, StackGame) and game.pair_penalty is not None:
        terms.append("matching-aware gradient penalty")
    return {"loss": config.loss, "penalty": ", ".join(terms) or "none"}


Run = Text2ImageRun
