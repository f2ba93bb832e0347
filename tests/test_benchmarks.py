"""The benchmarks: the arithmetic of timing in turns, and that each of them runs."""

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from cltoolkit import steps
from cltoolkit.learners import Finetune
from cltoolkit.transferability import ESTIMATORS

NAMES = (
    "import_time",
    "hypernet_step",
    "growth",
    "fit_overhead",
    "hypnettorch",
    "transferability",
    "placement",
    "resampling",
    "guided_step",
    "intervals",
    "masks",
)


@pytest.fixture(scope="module")
def benchmarks() -> Iterator[Callable[[str], ModuleType]]:
    """Imports a module of the folder `benchmarks`, which is no part of the package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path, str(Path(__file__).parents[1])])
        yield lambda name: importlib.import_module(f"benchmarks.{name}")


class Machine:
    """A clock, and calls that take a known time on a machine whose speed changes between turns."""

    def __init__(self, **seconds: float) -> None:
        self.now, self.slow = 0.0, 1.0
        self.called: list[str] = []
        self.calls = {name: self._call(name, duration) for name, duration in seconds.items()}

    def _call(self, name: str, duration: float) -> Callable[[], None]:
        def call() -> None:
            self.called.append(name)
            self.now += duration * self.slow

        return call

    def clock(self) -> float:
        return self.now


def test_ratios_do_not_depend_on_the_machine(benchmarks: Callable[[str], ModuleType]) -> None:
    """Each turn is slower than the one before; a takes three times as long as b in all of them."""
    timing, machine = benchmarks("_timing"), Machine(a=3.0, b=1.0)
    times: dict[str, list[float]] = {"a": [], "b": []}
    for _ in range(5):
        turn = timing.take_turns(machine.calls, turns=1, block=None, clock=machine.clock)
        machine.slow *= 1.7
        times = {name: times[name] + turn[name] for name in times}
    assert times["a"][-1] > 8 * times["a"][0]
    ratio = timing.compare(times, "a", "b")
    assert (ratio.median, ratio.low, ratio.high) == pytest.approx((3, 3, 3))


def test_a_block_holds_as_many_calls_as_fill_it(benchmarks: Callable[[str], ModuleType]) -> None:
    timing, machine = benchmarks("_timing"), Machine(long=3.0, short=0.5)
    times = timing.take_turns(machine.calls, turns=4, block=2.0, clock=machine.clock)
    assert times == {"long": [3.0] * 4, "short": [0.5] * 4}  # seconds per call
    assert machine.called[:4] == ["long", "long", "short", "short"]  # to warm up, and to count
    forth, back = ["long"] + ["short"] * 4, ["short"] * 4 + ["long"]
    assert machine.called[4:] == 2 * (forth + back)


def test_spread_is_the_median_between_its_quartiles(benchmarks: Callable[[str], ModuleType]) -> None:
    spread = benchmarks("_timing").spread([5.0, 1.0, 4.0, 2.0, 3.0])
    assert (spread.low, spread.median, spread.high) == (2.0, 3.0, 4.0)


@pytest.mark.parametrize(("value", "at_most", "at_least"), [(2.0, 1.9, 2.1), (2.0, 2.0, 2.0), (2.0, 2.1, 1.9)])
def test_a_bar_is_met_on_its_own_side(
    benchmarks: Callable[[str], ModuleType], value: float, at_most: float, at_least: float
) -> None:
    report, spread = benchmarks("_report"), benchmarks("_timing").spread([value])
    assert report.Row("a", "b", spread, at_most=at_most).met is (value <= at_most)
    assert report.Row("a", "b", spread, at_least=at_least).met is (value >= at_least)
    assert report.Row("a", "b", spread).met is None


def test_the_bare_loop_does_the_same_updates(benchmarks: Callable[[str], ModuleType]) -> None:
    """To the bit: what is compared is the same work."""
    fit, networks = benchmarks("fit_overhead"), benchmarks("fit_overhead").networks
    case = fit.Case("small", (16, 16), 8, 200, 32)
    sequence = fit.synthetic(case, case.examples)
    net = networks.mlp(sequence.input_shape, case.hidden, case.classes)
    learner = Finetune(net, lr=fit.LR)
    initial = learner.net.initial(0, "weights")
    assert list(steps(learner, sequence, epochs=1, batch_size=case.batch, device="cpu"))
    bare = fit.bare_loop(net, initial, sequence[0].train, case.batch)
    learned = learner.params(0)
    assert all(torch.equal(learned[name], value) for name, value in bare.named_parameters())


def test_an_earlier_task_is_known_but_not_trained(benchmarks: Callable[[str], ModuleType]) -> None:
    learner = benchmarks("_subjects").hypernet(benchmarks("_subjects").TINY, 3)
    assert (learner.num_tasks, learner.learning, learner.generated.regularizer.num_tasks) == (3, True, 3)


@pytest.mark.parametrize("name", NAMES)
def test_every_timing_runs(
    benchmarks: Callable[[str], ModuleType], name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if name == "hypnettorch" and (missing := benchmarks("hypnettorch").missing()):
        pytest.skip(missing)
    assert benchmarks("__main__").main([name, "--quick", "--out", str(tmp_path)]) == 0
    assert "| what | against |" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.json", f"{name}.md"}


def test_an_experiment_runs(benchmarks: Callable[[str], ModuleType], tmp_path: Path) -> None:
    benchmarks("__main__").main(["split_digits", "--quick", "--out", str(tmp_path)])
    text = (tmp_path / "experiments.md").read_text("utf-8")
    assert "HyperNet" in text
    assert "Separate" in text


def test_every_way_of_guiding_runs(benchmarks: Callable[[str], ModuleType], tmp_path: Path) -> None:
    benchmarks("__main__").main(["guidance_split_digits", "--quick", "--out", str(tmp_path)])
    found = json.loads((tmp_path / "guidance.json").read_text("utf-8"))
    assert list(found["split_digits"]["runs"]) == list(benchmarks("guidance").WAYS)


def test_what_masks_reach_is_measured_seed_by_seed(benchmarks: Callable[[str], ModuleType], tmp_path: Path) -> None:
    """Every learner at every density, and a table that says who forgot."""
    benchmarks("__main__").main(["masked_split_digits", "--quick", "--out", str(tmp_path)])
    found = json.loads((tmp_path / "masked.json").read_text("utf-8"))["split_digits"]["runs"]
    assert list(found) == list(benchmarks("masked").STUDIES["split_digits"].labels)
    for label, runs in found.items():
        assert runs["0"]["unchanged"] == (not label.startswith("SSNeT"))
        assert set(runs["0"]["by_task"]) == {"0/1", "2/3", "4/5"}
    text = (tmp_path / "masked.md").read_text("utf-8")
    assert "| SSNeT 0.1 |" in text
    assert "**no**" in text


def test_agreement_runs_and_keeps_nothing_of_it(benchmarks: Callable[[str], ModuleType], tmp_path: Path) -> None:
    """What --quick computes must not be taken for the real thing later."""
    study = benchmarks("agreement")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(study, "CACHE", tmp_path / "cache")
        benchmarks("__main__").main(["agreement_rotated_digits", "--quick", "--out", str(tmp_path)])
    assert {path.name for path in tmp_path.iterdir()} == {"agreement.json", "agreement.md"}
    text = (tmp_path / "agreement.md").read_text("utf-8")
    assert all(f"| {estimator.label} |" in text for estimator in ESTIMATORS.values())
    assert "NaN" not in (tmp_path / "agreement.json").read_text("utf-8")


def test_learners_with_intervals_are_certified_and_attacked(
    benchmarks: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = benchmarks("certified")
    digits = study.STUDIES["split_digits"]
    some = ("HyperInterval, task", "Finetune, task", "HyperInterval, domain", "InterContiNet, class")
    trials = {label: digits.trials[label] for label in some}
    monkeypatch.setitem(study.STUDIES, "split_digits", replace(digits, trials=trials))
    benchmarks("__main__").main(["certified_split_digits", "--quick", "--out", str(tmp_path)])
    text = (tmp_path / "certified.json").read_text("utf-8")
    found = {label: one["runs"]["0"] for label, one in json.loads(text)["split_digits"]["trials"].items()}
    assert list(found) == list(some)
    assert "NaN" not in text
    bounded = {label: one for label, one in found.items() if "certified" in one}
    assert list(bounded) == [label for label in some if "Finetune" not in label]
    assert all(one["certified_plain"] <= one["certified"] <= one["told"] for one in bounded.values())
    assert all(one["robust"] <= one["attacked"] + 1e-12 for one in bounded.values())
    assert sum(one["contradictions"] for one in bounded.values()) == 0


def test_what_is_certified_already_is_not_trained_again(
    benchmarks: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the same settings; under others it is."""
    study = benchmarks("certified")
    digits = study.STUDIES["split_digits"]
    seen: list[int] = []

    def trained(one: Any, trial: Any, seed: int, quick: bool) -> dict[str, Any]:
        seen.append(trial.epochs)
        return {"accuracy": 1.0, "tasks": {"accuracy": [1.0]}}

    monkeypatch.setattr(study, "_trained", trained)
    for epochs in (1, 1, 2):
        trials = {"Finetune, task": replace(digits.trials["Finetune, task"], epochs=epochs)}
        monkeypatch.setitem(study.STUDIES, "split_digits", replace(digits, trials=trials))
        study.run(["split_digits"], quick=True, out=tmp_path)
    assert seen == [1, 2]


def test_kept_scores_are_read_back_unless_the_study_is_another(
    benchmarks: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    study = benchmarks("agreement")
    small = replace(study.STUDIES["rotated_digits"], epochs=1)
    sequence = small.sequence(0)[:2]
    first = study._scores(small, sequence, 0, False, tmp_path)
    again, other = (study._scores(one, sequence, 0, False, tmp_path) for one in (small, replace(small, lr=0.1)))
    for name, matrix in first.items():
        assert np.array_equal(again[name].values, matrix.values)
        assert again[name].settings == matrix.settings
    assert not np.array_equal(other["h_score"].values, first["h_score"].values)


def test_closeness_agrees_with_itself(benchmarks: Callable[[str], ModuleType]) -> None:
    """What is measured again in halves, and what own_first counts, on gains that are closeness itself."""
    study = benchmarks("agreement")
    digits = study.STUDIES["rotated_digits"]
    names = tuple(map(str, study.ANGLES))
    truth = study.TransferMatrix(digits.closeness, "fine_tune_gain", names, names, samples=[digits.closeness] * 4)
    truths = {"fine_tune_gain": truth} | study._closeness(digits, truth)
    frame = study._agreement({"h_score": truth}, {"fine_tune_gain": truth}, truths, [{"h_score": truth}], "targets", 9)
    assert frame["value"].tolist() == pytest.approx([1.0] * len(frame))
    assert set(frame["estimator"]) == {"h_score", "fine_tune_gain", study.AGAIN}
    assert study._own_first(truth) == len(names)


def test_an_experiment_without_its_data_says_so(
    benchmarks: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CLTOOLKIT_DATA", raising=False)
    benchmarks("__main__").main(["split_mnist", "--quick"])
    assert "Skipped: set CLTOOLKIT_DATA" in capsys.readouterr().out


def test_an_unknown_name_is_refused(benchmarks: Callable[[str], ModuleType]) -> None:
    with pytest.raises(SystemExit):
        benchmarks("__main__").main(["hypnetorch"])
