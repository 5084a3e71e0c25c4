"""Points by the upper confidence bound of a Gaussian process, a round at a time."""

import math
import warnings
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState


class BatchUCB(optuna.samplers.BaseSampler):
    """GP-UCB in rounds of points that are chosen without each other's results.

    x = argmax mu(x) + sqrt(beta) sigma(x) of a Gaussian process fitted to -log score, with
    beta = 2 log(d t^2 pi^2 / (6 delta))                      (Srinivas et al. 2010, theorem 1)

    Points still running are counted in with the process's own mean, so that a round spreads
    (Desautels, Krause & Burdick 2014). The first round is drawn evenly.

    Args:
        space: Ranges of the parameters.
        points: Points of a round.
        seed: Seed of the draws.
    """

    def __init__(self, space: Mapping[str, FloatDistribution], points: int, seed: int):
        self.space, self.points, self.seed = dict(space), points, seed

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return dict(self.space)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        draw = np.random.default_rng(
            [self.seed, trial.number, zlib.crc32(study.study_name.encode())]
        )
        candidates = draw.random((2000, len(self.space)))
        earlier = [t for t in study.get_trials(deepcopy=False) if t.number != trial.number]
        done = [t for t in earlier if t.state == TrialState.COMPLETE]
        if trial.number < self.points or len(done) < 3:
            return self._params(candidates[0])
        running = [t for t in earlier if t.state == TrialState.RUNNING and t.params]
        chosen = self._best(candidates, done, running, trial.number // self.points + 1)
        return self._params(chosen)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return optuna.samplers.RandomSampler(seed=self.seed + trial.number).sample_independent(
            study, trial, param_name, param_distribution
        )

    def _best(
        self,
        candidates: np.ndarray,
        done: Sequence[FrozenTrial],
        running: Sequence[FrozenTrial],
        turn: int,
    ) -> np.ndarray:
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import Matern, WhiteKernel

        x = np.array([self._unit(t.params) for t in done])
        y = -np.log(np.array([max(float(t.value or 0.0), 1e-9) for t in done]))
        y = (y - y.mean()) / (y.std() + 1e-9)
        kernel = Matern(np.full(x.shape[1], 0.3), nu=2.5) + WhiteKernel(0.1)
        process = GaussianProcessRegressor(kernel, random_state=self.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # lengths at their bounds
            process.fit(x, y)
            if running:
                pending = np.array([self._unit(t.params) for t in running])
                both = np.concatenate([y, process.predict(pending)])
                x = np.concatenate([x, pending])
                fixed = GaussianProcessRegressor(process.kernel_, optimizer=None)
                process = fixed.fit(x, both)
            mean, deviation = process.predict(candidates, return_std=True)
        beta = 2 * math.log(len(self.space) * turn**2 * math.pi**2 / (6 * 0.1))
        return candidates[int(np.argmax(mean + math.sqrt(beta) * deviation))]

    def _unit(self, params: Mapping[str, Any]) -> list[float]:
        found = []
        for name, kind in self.space.items():
            low, high, value = kind.low, kind.high, float(params[name])
            if kind.log:
                low, high, value = math.log(low), math.log(high), math.log(value)
            found.append((value - low) / (high - low))
        return found

    def _params(self, unit: np.ndarray) -> dict[str, float]:
        found = {}
        for (name, kind), share in zip(self.space.items(), unit):
            if kind.log:
                low, high = math.log(kind.low), math.log(kind.high)
                found[name] = math.exp(low + float(share) * (high - low))
            else:
                found[name] = kind.low + float(share) * (kind.high - kind.low)
            found[name] = min(max(found[name], kind.low), kind.high)
        return found
