"""What holds for every test."""

import os
import sys
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import torch

hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.register_profile("ci", deadline=None, derandomize=True, database=None, print_blob=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "default")


class EveryItem:
    """Holds for doctests in the package too, which a conftest's own hooks do not reach."""

    def pytest_runtest_teardown(self):
        if pyplot := sys.modules.get("matplotlib.pyplot"):
            pyplot.close("all")


def pytest_configure(config):
    """One thread and no windows. (No MPLBACKEND: the notebooks' kernels would inherit it, and show no figure.)"""
    import matplotlib

    matplotlib.use("Agg")
    torch.set_num_threads(1)
    config.pluginmanager.register(EveryItem(), "every_item")


@pytest.fixture(autouse=True)
def global_generators_untouched():
    """Library code draws from named streams; what draws globally, there or in a test, is wrapped in `seeded`."""
    before = global_states()
    yield
    for library, state in global_states().items():
        assert np.array_equal(state, before[library]), (
            f"{library}'s global generator was drawn from; pass a generator made for the purpose, "
            'or wrap what draws by itself: `with seeded(0, "test"): ...`'
        )


def global_states():
    """The states of the generators that everything in a process shares."""
    keys, position = np.random.get_state()[1:3]  # noqa: NPY002
    return {"torch": torch.random.get_rng_state().numpy(), "numpy": np.append(keys, position)}


@pytest.fixture(scope="session")
def data_root():
    """The folder of real data sets, in torchvision's layout; tests of real data are skipped where there is none."""
    root = os.environ.get("CLTOOLKIT_DATA")
    if not root:
        pytest.skip("needs real data: set CLTOOLKIT_DATA to a folder in torchvision's layout (MNIST/raw/..., ...)")
    if not Path(root).is_dir():
        pytest.fail(f"CLTOOLKIT_DATA names {root!r}, which is no folder")
    return Path(root)
