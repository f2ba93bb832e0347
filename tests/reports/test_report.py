"""What a report promises: its numbers, its order, its bytes, and that it leaves out what is not there."""

import html
import itertools
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import made_intervals
import made_masks
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import tiny
from scipy import stats

import cltoolkit as cl
from cltoolkit import Run, RunError, learners, metrics
from cltoolkit.groups import grouped
from cltoolkit.reports import differences, report, settings, summary
from cltoolkit.reports._pictures import certificate_section, geometry_section, mask_section, matrix_section

VOID = {"meta", "img"}


def a_run(name="Finetune", seed=0, *, T=3, config=None, tasks=None, bias=0.0, **given):
    """A run whose accuracies are drawn from its name and seed."""
    draw = np.random.default_rng([seed, *name.encode()])
    accuracy = np.round(np.clip(draw.uniform(0.5, 0.9, (T + 1, T)) + bias, 0, 1), 4)
    names = [f"task {t}" for t in range(T)] if tasks is None else tasks
    sequence = {"name": "digits", "scenario": "task", "recipe": None, "tasks": [{"name": each} for each in names]}
    learner = {"name": name, "config": {"lr": 0.1} | (config or {})}
    made = {"learner": learner, "sequence": sequence, "training": {"epochs": 3, "eval_every": None}, "seed": seed}
    rest = {"seconds": np.arange(1.0, T + 1), "memory": np.full(T, 5e6), "status": "finished"} | given
    return Run(accuracy, made, {"torch": "2", "device": "cpu"}, **rest)


def some_runs(names=("Finetune", "HyperNet"), seeds=3):
    return [a_run(name, seed) for name in names for seed in range(seeds)]


def with_series(made):
    """A run with the series of a made-up record."""
    T = made.accuracy.shape[1]
    base = a_run(made.name, made.seed, T=T, tasks=made.task_names)
    return replace(base, accuracy=made.accuracy, curves=made.curves, anytime=made.anytime, series=made.series)


class Page(HTMLParser):
    """Everything a test asks of a page."""

    def __init__(self, text):
        super().__init__()
        self.open, self.headings, self.attributes, self.tags = [], [], [], Counter()
        self.tables, self.words, self.contents = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("th", "td"):
            assert tag == "td" or dict(attrs).get("scope") in ("row", "col")
            self.tables[-1][-1].append("")
        elif tag in ("h1", "h2", "h3"):
            self.headings.append([tag, ""])
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)
        if {"th", "td"} & set(self.open):
            self.tables[-1][-1][-1] += data
        if self.open and self.open[-1] in ("h1", "h2", "h3"):
            self.headings[-1][1] += data
        if self.open[-3:] == ["ol", "li", "a"]:
            self.contents.append(data)


class Words:
    """The same of a report in Markdown, which draws nothing and so is quick."""

    def __init__(self, text):
        self.text = text
        lines = text.splitlines()
        self.contents = [line.partition(". ")[2] for line in lines if line.startswith("## ")]
        self.tables = [
            [_cells(line) for line in block.splitlines() if not line.startswith("| :")]
            for block in text.split("\n\n")
            if block.startswith("| ")
        ]


def _cells(line):
    plain = re.sub(r"\\(.)", r"\1", line.replace("**", ""))
    return [html.unescape(cell) for cell in plain.removeprefix("| ").removesuffix(" |").split(" | ")]


def page(path, runs, **given):
    return Page(report(runs, path / "report.html", **given).read_text(encoding="utf-8"))


def words(path, runs, **given):
    return Words(report(runs, path / "report.md", **given).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A page with every section: its text, and what its making changed elsewhere."""
    runs = [with_series(made_intervals.a_run(3)), with_series(made_masks.a_run(3))]
    before = _state(runs)
    file = report(runs, tmp_path_factory.mktemp("whole") / "r.html", sequence=cl.sequences.split_digits()[:2])
    text = file.read_text(encoding="utf-8")
    return text, Page(text), (before, _state(runs))


def _state(runs):
    held = [{name: values.tobytes() for name, values in run.arrays().items()} for run in runs]
    return repr([run.config for run in runs]), held, mpl.rcParams.copy(), plt.get_fignums()


def test_numbers_equal_an_independent_computation():
    runs = some_runs()
    rows = pd.DataFrame(
        [
            {
                "learner": run.name,
                "acc": run.accuracy[-1].mean(),
                "bwt": np.mean([run.accuracy[-1, j] - run.accuracy[j + 1, j] for j in range(2)]),
                "forgetting": np.mean([run.accuracy[j + 1 : -1, j].max() - run.accuracy[-1, j] for j in range(2)]),
                "fwt": np.mean([run.accuracy[j, j] - run.accuracy[0, j] for j in (1, 2)]),
            }
            for run in runs
        ]
    )
    found = summary(runs).set_index("learner")
    by_name = rows.groupby("learner")
    for measure in ("acc", "bwt", "forgetting", "fwt"):
        half = stats.t.ppf(0.975, 2) * by_name[measure].std() / np.sqrt(3)
        pd.testing.assert_series_equal(found[measure].sort_index(), by_name[measure].mean(), check_names=False)
        pd.testing.assert_series_equal(found[f"{measure}_half"].sort_index(), half, check_names=False)
    wide = rows.assign(seed=[run.seed for run in runs]).pivot(index="seed", columns="learner", values="bwt")
    pairs = wide["Finetune"] - wide["HyperNet"]
    [row] = differences(runs, "bwt").to_dict("records")
    assert row["mean"] == pytest.approx(pairs.mean())
    low, high = stats.t.interval(0.95, 2, pairs.mean(), stats.sem(pairs))
    assert (row["low"], row["high"]) == pytest.approx((low, high))
    assert row["clear"] == (low > 0 or high < 0)


def test_the_page_shows_the_numbers_of_the_summary(tmp_path):
    runs = some_runs()
    found, table = summary(runs).set_index("learner"), words(tmp_path, runs).tables[0]
    assert table[0] == ["learner", "acc ↑", "bwt ↑", "forgetting ↓", "fwt ↑", "seeds"]
    for label, acc, *_, seeds in table[1:]:
        mean, half = (float(text) for text in acc.removesuffix(" ★").split(" ± "))
        assert mean == pytest.approx(found.loc[label, "acc"], abs=5e-4)
        assert half == pytest.approx(found.loc[label, "acc_half"], abs=5e-4)
        assert seeds == "3"
    best = max(table[1:], key=lambda row: found.loc[row[0], "acc"])
    assert [row[1].endswith("★") for row in table[1:]] == [row is best for row in table[1:]]


def test_lower_forgetting_is_marked_as_best(tmp_path):
    runs = some_runs()
    found, table = summary(runs).set_index("learner"), words(tmp_path, runs).tables[0]
    assert [row[0] for row in table[1:] if row[3].endswith("★")] == [found["forgetting"].idxmin()]


def test_identical_sets_of_runs_differ_by_zero(tmp_path):
    ours = [a_run("A", seed) for seed in range(3)]
    twins = [replace(run, config=run.config | {"learner": {"name": "B", "config": {"lr": 0.1}}}) for run in ours]
    for measure in ("acc", "bwt", "forgetting", "fwt"):
        [row] = differences([*ours, *twins], measure).to_dict("records")
        assert (row["mean"], row["low"], row["high"], row["clear"]) == (0, 0, 0, False)
    assert "0 of 4 intervals leave out 0" in words(tmp_path, [*ours, *twins]).text


def test_the_order_of_seeds_does_not_matter(tmp_path):
    runs = some_runs()
    first = report(runs, tmp_path / "a.md").read_bytes()
    assert report([*runs[2::-1], *runs[:2:-1]], tmp_path / "b.md").read_bytes() == first


@pytest.mark.parametrize("suffix", [".html", ".md", ".tex"])
def test_the_same_runs_give_the_same_bytes(tmp_path, suffix):
    first = report(a_run(), tmp_path / f"a{suffix}").read_bytes()
    assert report(a_run(), tmp_path / f"b{suffix}").read_bytes() == first


def test_runs_that_agree_in_everything_but_the_seed_are_one_row():
    runs = [a_run(seed=0), a_run(seed=1), a_run(seed=0, config={"lr": 0.2})]
    table = summary(runs)
    assert list(table["learner"]) == ["Finetune (lr = 0.1)", "Finetune (lr = 0.2)"]
    assert list(table["seeds"]) == [2, 1]
    assert np.isnan(table["acc_half"][1])


def test_how_often_a_run_was_watched_makes_it_no_other_experiment():
    often = a_run(seed=1)
    often.config["training"]["eval_every"] = 5
    assert list(summary([a_run(seed=0), often])["seeds"]) == [2]
    assert settings([a_run(seed=0), often]).loc["training.eval_every", "Finetune"] == "None | 5"


def test_labels_name_as_few_settings_as_are_needed_and_no_two_are_alike():
    runs = [a_run(config={"lr": lr, "width": width}) for lr in (0.1, 0.2) for width in (1, 2)]
    labels = list(summary(runs)["learner"])
    assert labels == [f"Finetune (lr = {lr}, width = {width})" for lr in (0.1, 0.2) for width in (1, 2)]
    long = [a_run(config={"words": "x" * 60 + end}) for end in "ab"]
    assert len(set(summary(long)["learner"])) == 2


def test_runs_of_one_seed_are_averaged_and_count_once(tmp_path):
    runs = [a_run(seed=0), a_run(seed=1)]
    once, twice = summary(runs), summary([*runs, runs[0]])
    pd.testing.assert_frame_equal(once, twice)
    assert "Several Runs of one seed came for Finetune" in words(tmp_path, [*runs, runs[0]]).text


def test_a_single_seed_has_no_interval_and_says_so(tmp_path):
    runs = [a_run("A"), a_run("B")]
    found = words(tmp_path, runs)
    assert [row[-1] for row in found.tables[0][1:]] == ["one seed: no interval"] * 2
    assert "±" not in "".join(cell for row in found.tables[0][1:] for cell in row)
    assert "so there are no intervals: train more seeds" in found.text


def test_references_of_the_same_seed_bring_their_measures():
    runs = [a_run(name, seed) for name in ("HyperNet", "Separate", "Joint") for seed in range(2)]
    table = summary(runs).set_index("learner")
    alone = np.mean([metrics.plasticity_gain(runs[s].accuracy, runs[2 + s].accuracy) for s in range(2)])
    joint = np.mean([metrics.intransigence(runs[s].accuracy, runs[4 + s].accuracy) for s in range(2)])
    assert table.loc["HyperNet", "plasticity_gain"] == pytest.approx(alone)
    assert table.loc["HyperNet", "intransigence"] == pytest.approx(joint)
    given = summary(runs[:2], single=[0.5, 0.6, 0.7])["plasticity_gain"][0]
    assert given == pytest.approx(np.mean([metrics.plasticity_gain(r.accuracy, [0.5, 0.6, 0.7]) for r in runs[:2]]))


def test_references_are_never_the_best(tmp_path):
    runs = [a_run("HyperNet"), a_run("Finetune"), a_run("Joint", bias=0.5)]
    table = words(tmp_path, runs, measures=["acc"]).tables[0]
    assert {row[0]: row[1].endswith("★") for row in table[1:]}["Joint"] is False
    assert sum(row[1].endswith("★") for row in table[1:]) == 1


def test_an_unfinished_run_stands_apart_over_its_own_tasks(tmp_path):
    whole, part = a_run(seed=0), a_run(seed=1, status="interrupted")
    part.accuracy[3:] = np.nan
    table = summary([whole, part])
    assert list(table["tasks"]) == [3, 2]
    assert table["learner"][1] == "Finetune (2 of 3 tasks)"
    assert table["acc"][1] == pytest.approx(part.accuracy[2, :2].mean())
    assert differences([whole, part]).empty
    found = words(tmp_path, [whole, part])
    assert "Not all tasks are learned yet by Finetune (2 of 3 tasks)" in found.text
    assert found.tables[0][0][1] == "tasks learned"


def test_a_run_that_has_learned_nothing_yet_is_listed(tmp_path):
    empty = a_run(status="training")
    empty.accuracy[:] = np.nan
    found = page(tmp_path, [empty])
    assert found.tables[0][1][1:] == ["–"] * 4 + ["one seed: no interval"]
    assert found.contents == ["Results", "Settings", "Environment"]


def test_runs_of_different_sequences_are_not_compared_and_a_warning_says_so(tmp_path):
    runs = [a_run("A", seed, tasks=["x", "y", "z"]) for seed in range(2)] + [a_run("B", seed) for seed in range(2)]
    for run in runs[:2]:
        run.config["sequence"]["name"] = "letters"
    assert differences(runs).empty
    found = words(tmp_path, runs)
    assert "These Runs are of different sequences (letters (task-incremental), digits (task-incremental))" in found.text
    assert found.tables[0][0][1] == "sequence"
    assert "Differences" not in found.contents


def test_a_seed_under_which_the_data_were_others_is_no_pair():
    runs = [a_run(name, seed) for name in "AB" for seed in range(3)]
    recipe = {"name": "split_digits", "arguments": {"classes": 2}}
    for run in runs:
        run.config["sequence"]["recipe"] = recipe
        run.config["sequence"]["tasks"] = [{"name": f"task {t}", "probe": [1.0 + t]} for t in range(3)]
    runs[5].config["sequence"]["tasks"][0]["probe"] = [7.0]
    assert list(differences(runs)["seeds"]) == [2]


def test_settings_hold_what_is_shared_and_what_differs(tmp_path):
    runs = [a_run("A", config={"depth": 2}), a_run("B", config={"lr": 0.3})]
    table = settings(runs)
    assert list(table.loc["learner.lr"]) == ["0.1", "0.3"]
    assert table.loc["learner.depth", "A"] == "2"
    assert pd.isna(table.loc["learner.depth", "B"])
    tables = words(tmp_path, runs).tables
    shared, differ, alone = (t for t in tables if t[0][0] == "setting")
    assert ["training.epochs", "3"] in shared
    assert differ == [["setting", "A", "B"], ["learner.lr", "0.1", "0.3"]]
    assert alone[1:] == [["learner.depth", "A", "2"]]


def test_environments_that_differ_are_warned_of(tmp_path):
    runs = [a_run(seed=0), replace(a_run(seed=1), environment={"torch": "3", "device": "cpu"})]
    found = words(tmp_path, runs)
    assert "they differ in torch" in found.text
    assert [row[3] for row in found.tables[-1]] == ["torch", "2", "3"]
    assert "same environment" in words(tmp_path, runs[:1]).text


def test_cost_is_the_mean_of_seconds_and_the_highest_peak(tmp_path):
    runs = [a_run(seed=0), a_run(seed=1, seconds=np.array([3.0, 4.0, 5.0]), memory=np.array([1e6, 9e6, np.nan]))]
    [table] = [t for t in words(tmp_path, runs).tables if "peak memory (MB)" in t[0]]
    assert table[0] == ["learner", "seconds in all", "task task 0", "task task 1", "task task 2", "peak memory (MB)"]
    half = stats.t.ppf(0.975, 1) * np.std([6, 12], ddof=1) / np.sqrt(2)
    assert table[1] == ["Finetune", f"9.00 ± {half:.1f}", "2.00", "3.00", "4.00", "9"]


def test_a_page_needs_nothing_but_itself(whole):
    text, found, _ = whole
    assert "http" not in text.replace("http-equiv", "")
    assert not {"script", "link", "iframe", "object", "base", "form"} & set(found.tags)
    for _, name, value in found.attributes:
        assert not name.startswith("on")
        if name in ("src", "href", "srcset", "action"):
            assert value.startswith(("data:image/png;base64,", "#section-"))
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert ("meta", "content", policy) in found.attributes
    assert "url(" not in text
    assert "@import" not in text
    assert "prefers-color-scheme: dark" in text


def test_a_page_can_be_read_without_seeing_it(whole):
    found = whole[1]
    alts = [value for tag, name, value in found.attributes if tag == "img" and name == "alt"]
    assert len(alts) == found.tags["img"] > 10
    assert all(len(alt) > 20 and alt.endswith(".") for alt in alts)
    assert found.tags["caption"] == found.tags["table"] == len(found.tables)
    levels = [int(tag[1]) for tag, _ in found.headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    titles = [title.partition(". ")[2] for tag, title in found.headings if tag == "h2"]
    assert found.contents == titles
    ids = [value for _, name, value in found.attributes if name == "id"]
    assert [f"#{each}" for each in ids] == [value for tag, name, value in found.attributes if name == "href"]
    assert ("html", "lang", "en") in found.attributes


def test_a_page_is_small(whole):
    assert len(whole[0]) < 30_000 * whole[1].tags["img"]


def test_sections_stand_in_order_and_only_where_runs_have_them(whole, tmp_path):
    order = ["Results", "Differences", "Settings", "Tasks", "Accuracy matrices", "Curves", "Geometry", "Certificates"]
    order += ["Masks", "Cost", "Environment"]
    assert whole[1].contents == order
    some = ["Results", "Settings", "Accuracy matrices", "Curves", "Cost", "Environment"]
    assert page(tmp_path, a_run()).contents == some
    assert words(tmp_path, a_run()).contents == ["Results", "Settings", "Cost", "Environment"]


def test_series_of_another_shape_are_left_out():
    names = ("certified", "width", "embeddings", "kept", "exclusive", "layer_sizes", "half_widths")
    for values in (np.ones((3, 3)), np.full((3, 3, 5), np.nan)):
        groups = grouped([replace(a_run(), series=dict.fromkeys(names, values))])
        assert geometry_section(groups) is certificate_section(groups) is mask_section(groups) is None


def test_a_run_under_way_is_drawn_as_far_as_it_goes(tmp_path):
    run = with_series(made_intervals.a_run(3))
    run.accuracy[3:] = np.nan
    for values in run.series.values():
        values[2:] = np.nan
    assert {"Geometry", "Certificates"} <= set(page(tmp_path, run).contents)


def test_several_seeds_are_drawn_as_their_mean(tmp_path):
    runs = [a_run(seed=seed) for seed in range(2)]
    found = page(tmp_path, runs)
    mean = np.mean([run.accuracy for run in runs], axis=0)
    [alt] = [v for tag, name, v in found.attributes if name == "alt" and v.startswith("Accuracy matrix")]
    assert "Finetune, mean of 2 seeds" in alt
    assert "seed 0" not in alt
    assert f"Average accuracy at the end {mean[-1].mean():.3f}" in alt


@pytest.mark.slow
def test_ten_runs_of_five_tasks_make_a_small_page(tmp_path):
    runs = []
    for name in ("HyperInterval", "InterContiNet"):
        runs += [with_series(made_intervals.a_run(5, learner=name, seed=seed)) for seed in range(2)]
    for name in ("SupSup", "ExSSNeT", "HopSupSup"):
        runs += [with_series(made_masks.a_run(5, learner=name, seed=seed)) for seed in range(2)]
    assert report(runs, tmp_path / "r.html").stat().st_size < 2e6


def test_of_many_learners_the_first_are_drawn_and_all_are_in_the_tables(tmp_path):
    runs = [a_run(f"learner {i}") for i in range(14)]
    assert len(words(tmp_path, runs, measures=["acc"]).tables[0]) == 15
    note, gallery = matrix_section(grouped(runs)).blocks
    assert "The first 12 of 14 learners are drawn one by one" in note.words
    assert len(gallery.panels) == 12


def test_tables_are_the_same_in_every_format(whole, tmp_path):
    runs = [with_series(made_intervals.a_run(3)), with_series(made_masks.a_run(3))]
    tables = whole[1].tables
    assert words(tmp_path, runs).tables == tables
    tex = report(runs, tmp_path / "r.tex").read_text(encoding="utf-8")
    assert tex.count(r"\begin{longtable}") == tex.count(r"\end{longtable}") == len(tables)
    body = [row for row in tex.splitlines() if row.endswith(r" \\") and "multicolumn" not in row]
    assert [row.count(" & ") + 1 for row in body] == [len(row) for table in tables for row in table]


@pytest.mark.slow
def test_every_learner_can_be_reported(tmp_path):
    sequence = tiny.sequence(2)
    runs = [
        cl.train(tiny.learner(name), sequence, epochs=1, batch_size=11, progress=False) for name in learners.METHODS
    ]
    assert len(words(tmp_path, runs).tables[0]) == len(runs) + 1


def test_folders_are_opened(tmp_path):
    runs = some_runs(seeds=2)
    folders = [run.save(tmp_path / f"run{i}") for i, run in enumerate(runs)]
    pd.testing.assert_frame_equal(summary([str(folders[0]), *folders[1:]]), summary(runs))
    assert len(summary(folders[0])) == 1


@pytest.mark.parametrize(
    ("runs", "file", "given", "error", "words"),
    [
        ([], "r.html", {}, ValueError, "at least one Run"),
        ([3], "r.html", {}, TypeError, "got int"),
        (["nowhere"], "r.html", {}, RunError, "no run at nowhere"),
        ([Run(np.zeros((3, 3)))], "r.html", {}, ValueError, "row 0 is missing"),
        (some_runs(), "r.pdf", {}, ValueError, r"\.html, \.md, \.tex.*got 'r\.pdf'"),
        (some_runs(), "no/folder/r.md", {"measures": ["ac"]}, ValueError, "did you mean 'acc'"),
        (some_runs(), "r.md", {"measures": ["ac"]}, ValueError, "did you mean 'acc'"),
        (some_runs(), "r.md", {"single": [0.5]}, ValueError, "one accuracy per task"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(tmp_path, runs, file, given, error, words):
    with pytest.raises(error, match=words):
        report(runs, tmp_path / file, **given)
    assert list(tmp_path.iterdir()) == []


def test_folders_that_are_not_there_are_made(tmp_path):
    assert report(a_run(), tmp_path / "no" / "folder" / "r.md").read_text(encoding="utf-8").startswith("# Continual")


def test_an_old_report_is_replaced(tmp_path):
    (tmp_path / "r.md").write_text("old")
    assert report(a_run(), tmp_path / "r.md").read_text(encoding="utf-8").startswith("# Continual")
    assert [file.name for file in tmp_path.iterdir()] == ["r.md"]


def test_report_is_at_hand_however_it_was_imported(tmp_path):
    assert cl.report(a_run(), tmp_path / "a.md") == tmp_path / "a.md"
    assert cl.report(a_run(), tmp_path / "b.md") == tmp_path / "b.md"


def test_runs_and_settings_of_figures_are_left_as_they_were(whole):
    before, after = whole[2]
    assert before == after
