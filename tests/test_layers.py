"""The rules of `layers` hold, and each is shown red on sources that break it."""

import re

import pytest

from tests.layers import (
    PACKAGES,
    ROOT,
    RULES,
    SOURCES,
    core_stands_alone,
    domains_are_layered,
    domains_know_each_other_not,
    image_core_is_layered,
    no_circle,
    one_class_a_name,
    only_the_front_names_domains,
    pickles,
    rl_knows_the_core,
    shared_rooms_are_layered,
    wrong_steps,
)


@pytest.mark.parametrize("rule", RULES)
def test_sources_keep_the_rules(rule):
    assert len(SOURCES) > 200
    assert set(rule(SOURCES)) == set()


@pytest.mark.parametrize(
    ("rule", "path", "source", "wrong"),
    [
        (core_stands_alone, "image_core/adversarial/x.py", "import image_core.runs.batches", True),
        (core_stands_alone, "image_core/adversarial/x.py", "from image_core import data", True),
        (core_stands_alone, "image_core/adversarial/x.py", "from ..data import Batches", True),
        (core_stands_alone, "image_core/adversarial/x.py", "from . import losses", False),
        (core_stands_alone, "image_core/adversarial/x.py", "import torch", False),
        (core_stands_alone, "image_core/adversarial/x.py", "def f():\n import seqgan.lm", True),
        (core_stands_alone, "image_core/adversarial/x.py", "if TYPE_CHECKING:\n import rl", True),
        (core_stands_alone, "image_core/runs/x.py", "from image_core.memory import f", False),
        (core_stands_alone, "image_core/runs/x.py", "import_module('seqgan.text')", True),
        (core_stands_alone, "image_core/runs/x.py", "from image_core.data import idx", True),
        (image_core_is_layered, "image_core/nets/x.py", "from ..games import plain", True),
        (image_core_is_layered, "image_core/games/x.py", "from ..nets import dcgan", False),
        (image_core_is_layered, "image_core/games/x.py", "from ..runs import options", True),
        (image_core_is_layered, "image_core/games/x.py", "import image_core.recipes", True),
        (image_core_is_layered, "image_core/recipes/image/x.py", "import image_core.runs", False),
        (image_core_is_layered, "image_core/recipes/image/x.py", "import torch, rl", True),
        (image_core_is_layered, "image_core/data/x.py", "from seqgan.lm import policies", True),
        (image_core_is_layered, "image_core/data/x.py", "from seqgan_of_others import x", False),
        (image_core_is_layered, "image_core/memory.py", "import image_core.data.idx", True),
        (rl_knows_the_core, "rl/x.py", "from image_core.adversarial import losses", False),
        (rl_knows_the_core, "rl/games/x.py", "from image_core.runs import options", True),
        (rl_knows_the_core, "rl/recipes/x.py", "from image_core.runs import options", False),
        (rl_knows_the_core, "rl/x.py", "from rl.recipes import expert", True),
        (rl_knows_the_core, "rl/recipes/x.py", "from image_core.nets import dcgan", True),
        (rl_knows_the_core, "rl/x.py", "def f():\n from seqgan import data", True),
        (rl_knows_the_core, "rl/recipes/x.py", "import_module('seqgan.data')", True),
        (shared_rooms_are_layered, "seqgan/data/x.py", "from seqgan.lm import oracle", True),
        (shared_rooms_are_layered, "seqgan/lm/x.py", "from seqgan.data import encode", False),
        (shared_rooms_are_layered, "seqgan/lm/x.py", "from ..judges import judge", True),
        (shared_rooms_are_layered, "seqgan/judges/x.py", "from seqgan.lm import fit", False),
        (shared_rooms_are_layered, "seqgan/metrics/x.py", "import seqgan.data.source", True),
        (shared_rooms_are_layered, "seqgan/metrics/x.py", "import image_core.runs", False),
        (domains_know_each_other_not, "seqgan/text/x.py", "import seqgan.dialogue.turns", True),
        (domains_know_each_other_not, "seqgan/text/games/x.py", "import rl.policies", True),
        (domains_know_each_other_not, "seqgan/text/x.py", "from .games import policy", False),
        (domains_know_each_other_not, "seqgan/text2image/x.py", "import seqgan.text", True),
        (domains_know_each_other_not, "seqgan/text/x.py", "if TYPE_CHECKING:\n import rl", True),
        (domains_know_each_other_not, "seqgan/text/x.py", "if DEBUGGING:\n import rl", True),
        (domains_know_each_other_not, "seqgan/discrete/x.py", "import seqgan.metrics", False),
        (only_the_front_names_domains, "seqgan/x.py", "def f():\n import rl", True),
        (only_the_front_names_domains, "seqgan/lm/x.py", "def f():\n import seqgan.text", True),
        (only_the_front_names_domains, "seqgan/text/x.py", "import seqgan.text.report", False),
        (only_the_front_names_domains, "seqgan/commands/x.py", "import rl.policies", True),
        (only_the_front_names_domains, "seqgan/commands/x.py", "def f():\n import rl", False),
        (only_the_front_names_domains, "seqgan/__init__.py", "import seqgan.text", True),
        (
            only_the_front_names_domains,
            "seqgan/__init__.py",
            "if TYPE_CHECKING:\n import seqgan.text",
            False,
        ),
        (only_the_front_names_domains, "seqgan/cli.py", "f = import_module('rl.ppo')", True),
        (
            only_the_front_names_domains,
            "seqgan/cli.py",
            "def f():\n return import_module('rl.ppo')",
            False,
        ),
        (only_the_front_names_domains, "seqgan/text/x.py", "from seqgan import Engine", True),
        (only_the_front_names_domains, "seqgan/text/x.py", "from seqgan import metrics", False),
        (only_the_front_names_domains, "seqgan/text/x.py", "import seqgan", True),
        (only_the_front_names_domains, "rl/x.py", "def f():\n import seqgan.commands.list", True),
        (only_the_front_names_domains, "seqgan/text/x.py", "from seqgan.games import irgan", True),
        (domains_are_layered, "seqgan/text/report.py", "from seqgan.text.recipe import Run", True),
        (
            domains_are_layered,
            "seqgan/text/report.py",
            "if TYPE_CHECKING:\n from seqgan.text import recipe",
            True,
        ),
        (domains_are_layered, "seqgan/text/report.py", "from . import config, papers", False),
        (domains_are_layered, "seqgan/text/papers/x.py", "from seqgan.text import config", False),
        (domains_are_layered, "seqgan/text/config.py", "import seqgan.text.papers.x", True),
        (domains_are_layered, "seqgan/text/games/x.py", "import seqgan.text.config", True),
        (domains_are_layered, "seqgan/text/x.py", "def f():\n import seqgan.text.games", True),
        (domains_are_layered, "seqgan/text/games/x.py", "from seqgan.text import rollout", False),
        (domains_are_layered, "seqgan/retrieval/recipe.py", "from .serve import rank", True),
        (domains_are_layered, "seqgan/retrieval/serve.py", "from .recipe import Run", False),
        (domains_are_layered, "seqgan/text/x.py", "import seqgan.dialogue.recipe", False),
        (wrong_steps, "rl/x.py", "loss.mean().backward()", True),
        (wrong_steps, "rl/x.py", "torch.autograd.backward([loss])", True),
        (wrong_steps, "rl/x.py", "model.zero_grad(set_to_none=True)", True),
        (wrong_steps, "rl/x.py", "self.adam.step()", True),
        (wrong_steps, "rl/x.py", "self.optimizers['D'].step(closure)", True),
        (wrong_steps, "rl/x.py", "hidden, state = policy.step(tokens, state)", False),
        (wrong_steps, "rl/x.py", "env.step(action)", False),
        (wrong_steps, "rl/x.py", "torch.autograd.grad(loss, x)", False),
        (wrong_steps, "rl/x.py", "def backward(ctx, up):\n '''loss.backward()'''", False),
        (wrong_steps, "image_core/adversarial/engine.py", "loss.backward()", False),
        (pickles, "rl/x.py", "import pickle", True),
        (pickles, "rl/x.py", "def f():\n from cloudpickle import loads", True),
        (pickles, "rl/x.py", "np.load(file, allow_pickle=True)", True),
        (pickles, "rl/x.py", "np.load(file, allow_pickle=False)", False),
        (pickles, "rl/x.py", "torch.load(file, weights_only=False)", True),
        (pickles, "rl/x.py", "torch.load(file, weights_only=flag)", True),
        (pickles, "rl/x.py", "torch.load(file, weights_only=True)", False),
        (pickles, "rl/x.py", "pandas.read_pickle(file)", True),
        (pickles, "rl/x.py", "'no pickle is run'", False),
    ],
)
def test_the_rules_themselves(rule, path, source, wrong):
    assert bool(rule({path: source})) is wrong


@pytest.mark.parametrize(
    ("rule", "sources", "found"),
    [
        (
            no_circle,
            {"rl/a.py": "import rl.b", "rl/b.py": "import rl.c", "rl/c.py": "import rl.a"},
            ["circle: rl/a.py rl/b.py rl/c.py"],
        ),
        (
            no_circle,
            {"rl/a.py": "from rl.b import B", "rl/b.py": "if TYPE_CHECKING:\n from rl.a import A"},
            ["circle: rl/a.py rl/b.py"],
        ),
        (
            no_circle,
            {"rl/a.py": "from . import b", "rl/b.py": "def f():\n import_module('rl.a')"},
            ["circle: rl/a.py rl/b.py"],
        ),
        (no_circle, {"rl/a.py": "import rl.b, rl.c", "rl/b.py": "import rl.c", "rl/c.py": ""}, []),
        (
            no_circle,
            {"rl/a.py": "import rl.envs.b", "rl/envs/b.py": "", "rl/envs/c.py": "import rl.a"},
            ["circle: rl rl/envs"],
        ),
        (
            no_circle,
            {
                "seqgan/text/a.py": "",
                "seqgan/text/games/b.py": "import seqgan.text.a",
                "seqgan/text/config.py": "import seqgan.text.games.b",
            },
            [],
        ),
        (one_class_a_name, {"rl/a.py": "class A: ...", "rl/b.py": "class B: ..."}, []),
        (
            one_class_a_name,
            {"rl/a.py": "class A: ...", "seqgan/lm/b.py": "class A: ..."},
            ["class A: rl/a.py seqgan/lm/b.py"],
        ),
        (one_class_a_name, {"rl/a.py": "class _A: ...", "rl/b.py": "class _A: ..."}, []),
        (one_class_a_name, {"rl/a.py": "class Config: ...", "rl/b.py": "class Config: ..."}, []),
    ],
)
def test_the_rules_of_the_whole_tree(rule, sources, found):
    assert rule(sources) == found


def test_the_house_of_the_page_names_every_room():
    """Folders of the packages, and those of image_core's and rl's recipes."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    house = page.partition("## The house")[2].split("```")[1]
    holders = (*PACKAGES, "image_core/recipes", "rl/recipes")
    rooms = [f.parent for holder in holders for f in (ROOT / holder).glob("*/__init__.py")]
    assert len(rooms) > 20
    assert [room for room in rooms if not re.search(rf"\b{room.name}\b", house)] == []
