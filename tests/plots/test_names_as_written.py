"""Names are drawn as they are written: a dollar sign in a task's name begins no formula, in no plot."""

import matplotlib as mpl

mpl.use("Agg")

import made_intervals
import made_masks
import matplotlib.pyplot as plt
import numpy as np
import pytest
from made_runs import a_run
from matplotlib.figure import Figure
from matplotlib.text import Text

from cltoolkit import plots
from cltoolkit.transferability import TransferMatrix

NAME = "$\\bad_{}$"
NAMES = [NAME.format(i) for i in range(3)]


def trained():
    run = a_run(3, tasks=NAMES, name=NAMES[0], steps=4)
    run.curves |= {NAMES[1]: 1.0 + run.curves["loss"]}
    return run


def boxes():
    return made_intervals.a_run(3, name=NAME, learner=NAME)


def masks():
    return made_masks.a_run(3, name=NAME)


PLOTS = {
    "accuracy_matrix": lambda ax: plots.accuracy_matrix(trained(), ax=ax),
    "curves": lambda ax: plots.curves(trained(), NAMES[1:2], ax=ax),
    "average_so_far": lambda ax: plots.average_so_far(trained(), ax=ax),
    "compare": lambda ax: plots.compare([trained()], ax=ax),
    "transfer_matrix": lambda ax: plots.transfer_matrix(
        TransferMatrix(np.eye(3), "h_score", tuple(NAMES), tuple(NAMES)), ax=ax
    ),
    "intervals": lambda ax: plots.intervals(boxes(), ax=ax),
    "certified_accuracy": lambda ax: plots.certified_accuracy(boxes(), ax=ax),
    "certified_by_drift": lambda ax: plots.certified_by_drift(boxes(), ax=ax),
    "schedule": lambda ax: plots.schedule(boxes(), ax=ax),
    "mask_overlap": lambda ax: plots.mask_overlap(masks(), ax=ax),
    "mask_capacity": lambda ax: plots.mask_capacity(masks(), ax=ax),  # with names beside its color bar
    "exclusive_share": lambda ax: plots.exclusive_share({name: [masks()] for name in NAMES}, ax=ax),
    "weight_owners": lambda ax: plots.weight_owners(made_masks.masks(3), "0.weight", names=NAMES, ax=ax),
    "donor_tree": lambda ax: plots.donor_tree(masks(), ax=ax),
}
every_plot = pytest.mark.parametrize("plot", PLOTS.values(), ids=PLOTS)


@pytest.fixture(autouse=True)
def _clean_slate():
    yield
    plt.close("all")


@every_plot
def test_a_name_with_dollars_is_no_formula(plot):
    """An unknown command in a formula would be an error when it is drawn."""
    ax = plot(plt.figure(layout="constrained").subplots())
    ax.figure.draw_without_rendering()
    named = [text for text in ax.figure.findobj(Text) if "bad_" in text.get_text()]
    assert named
    assert not any(text.get_parse_math() for text in named)


@every_plot
def test_formulas_of_other_axes_stay_formulas(plot):
    figure = Figure()
    left, right = figure.subplots(1, 2)
    right.set_title("$x^2$")
    plot(left)
    assert right.title.get_parse_math()


def test_powers_along_a_logarithmic_axis_stay_formulas_however_often_it_is_drawn_on():
    run, ax = a_run(2, steps=50), plt.figure(layout="constrained").subplots()
    run.curves["loss"] = np.logspace(0, -5, 100)
    for _ in range(2):
        plots.curves(run, ["loss"], ax=ax)
        ax.figure.draw_without_rendering()
    powers = [label for label in ax.get_yticklabels() if "$" in label.get_text()]
    assert powers
    assert all(label.get_parse_math() for label in powers)
