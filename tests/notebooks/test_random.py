"""Which code draws what no seed decides, read from the code alone."""

import pytest
from made_notebooks import code, made

from cltoolkit.notebooks._file import Notebook
from cltoolkit.notebooks._random import draws


def found(tmp_path, *sources):
    return [what.partition(" ")[0] for _, what in draws(Notebook(tmp_path, made(*map(code, sources))))]


@pytest.mark.parametrize(
    ("source", "call"),
    [
        ("import numpy as np\nnp.random.rand(3)", "np.random.rand"),
        ("import numpy\nnumpy.random.seed(0)", "numpy.random.seed"),
        ("from numpy import random\nrandom.shuffle(a)", "random.shuffle"),
        ("from numpy.random import default_rng\nrng = default_rng()", "default_rng"),
        ("import numpy as np\nrng = np.random.default_rng(seed=None)", "np.random.default_rng"),
        ("import numpy as np\nnp.random.RandomState()", "np.random.RandomState"),
        ("import random\nrandom.choice([1, 2])", "random.choice"),
        ("import random\nrandom.Random()", "random.Random"),
        ("from random import randint as draw\ndraw(1, 6)", "draw"),
        ("import torch\ntorch.randn(3)", "torch.randn"),
        ("import torch as t\nt.randperm(3, generator=None)", "t.randperm"),
        ("import torch\nx = [torch.rand_like(y) for y in z]", "torch.rand_like"),
        ("import torch\ntorch.manual_seed(0)", "torch.manual_seed"),
        ("import torch\ntorch.cuda.manual_seed_all(0)", "torch.cuda.manual_seed_all"),
        ("w.normal_()", "w.normal_"),
        ("from torch import nn\nnn.init.uniform_(w)", "nn.init.uniform_"),
        ("%matplotlib inline\nimport random\nx = !ls\nrandom.random()", "random.random"),
        ("%%time\nimport random\nrandom.random()", "random.random"),
        ("def draw():\n    import random\n    return random.random()", "random.random"),
    ],
)
def test_a_draw_without_a_seed_is_found(tmp_path, source, call):
    assert found(tmp_path, source) == [call]


@pytest.mark.parametrize(
    "source",
    [
        "import numpy as np\nrng = np.random.default_rng(0)\nrng.normal()\nnp.random.Generator(np.random.PCG64(1))",
        "import torch\ng = torch.Generator().manual_seed(0)\ntorch.randn(3, generator=g)\nw.normal_(generator=g)",
        "import torch\ntorch.randn(3, **settings)\ntorch.zeros(3)",
        "import random\nrandom.Random(0).choice([1, 2])",
        "import numpy as np, torch\nnp.random.get_state()\ntorch.random.get_rng_state()",
        "import torch\nfrom cltoolkit.randomness import seeded\nwith seeded(0, 'weights'):\n    torch.randn(3)",
        "random.random()\nnp.random.rand()",  # imported nowhere: names of the reader's own
        "'''import random'''  # random.random()",
        "%%bash\nimport random\nrandom.random()",
        "this is no Python, random.random()",
    ],
)
def test_what_has_its_seed_is_not_found(tmp_path, source):
    assert found(tmp_path, source) == []


def test_an_import_holds_for_the_cells_below(tmp_path):
    assert found(tmp_path, "import numpy as np", "np.random.rand()") == ["np.random.rand"]
