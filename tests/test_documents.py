"""What README and CONTRIBUTING say to type, typed."""

import re
from pathlib import Path

import torch

import cltoolkit as cl

ROOT = Path(__file__).parents[1]


def run_block(document, words, names=None):
    """Runs the document's block of Python that holds these words; its names."""
    text = (ROOT / document).read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    (block,) = [block for block in blocks if words in block]
    names = {} if names is None else names
    exec(compile(block, document, "exec"), names)
    return names


def test_the_example_of_the_readme_learns_and_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = run_block("README.md", "HyperNet(net, embedding_dim=32)")
    assert names["run"].accuracy[-1].mean() > 0.9
    assert (tmp_path / "runs/hypernet/run.json").is_file()


def test_the_views_of_the_readme_show_what_was_trained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = run_block("README.md", "TrainingBoard")
    assert names["board"].state == names["run"].status == "finished"
    names["explorer"].task = 3
    assert names["both"].task == 3
    assert "://" not in (tmp_path / "runs/both.html").read_text("utf-8")
    assert "HyperNet" in (tmp_path / "runs/report.html").read_text("utf-8")


def test_the_masks_of_the_readme_are_untouched():
    names = run_block("README.md", "KNNInitializer")
    assert names["learner"].verify()
    assert names["run"].accuracy[-1].mean() > 0.97


def test_the_question_of_the_readme_is_answered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = run_block("README.md", "measured_transfer")
    found = names["transfer"].agreement(names["scores"], names["truth"], over="pairs")
    found = found[found["truth"] == "fine_tune_gain"].set_index(["estimator", "measure"])
    assert (found.xs("spearman", level="measure")["low"] > 0).all()
    assert list((tmp_path / "runs/truth").glob("*/configuration.json"))


def test_what_the_readme_certifies_is_certified(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = run_block("README.md", "intervals.certify")
    learner, sequence = names["learner"], names["sequence"]
    every = [cl.intervals.certify(learner, task.test, t) for t, task in enumerate(sequence)]
    assert every[0].agrees_with(names["certificate"])
    assert sum(c.accuracy for c in every) / 5 >= 0.97
    assert sum(c.certified for c in every) / 5 >= 0.93
    assert min(c.width for c in every) >= 1e-3


def test_the_rule_of_contributing_bounds():
    kept = dict(cl.intervals.RULES)
    try:
        run_block("CONTRIBUTING.md", "def heaviside")
        step = cl.intervals.IntervalTensor(torch.tensor([-1.0, 0.1, 2.0]), torch.full((3,), 0.5))
        found = torch.heaviside(step, torch.tensor(0.5))
    finally:
        cl.intervals.RULES.clear()
        cl.intervals.RULES.update(kept)
    assert (found.lower.tolist(), found.upper.tolist()) == ([0, 0, 1], [0, 1, 1])


def test_the_learner_of_contributing_trains():
    names = {"__name__": "cltoolkit.learners._anchored", "__package__": "cltoolkit.learners"}
    run_block("CONTRIBUTING.md", "class Anchored", names)
    sequence = cl.sequences.split_digits()[:2]
    net = cl.networks.mlp(sequence.input_shape, (16,), sequence.num_classes)
    run = cl.train(names["Anchored"](net, strength=0.1), sequence, epochs=3, progress=False)
    assert run.accuracy[1, 0] > 0.9
    assert run.config["learner"] == {"name": "Anchored", "config": {"strength": 0.1, "lr": 1e-3}}


def test_links_in_the_documents_lead_somewhere():
    documents = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "data/README.md")
    links = [
        (name, link)
        for name in documents
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / name).read_text("utf-8"))
    ]
    assert [(name, link) for name, link in links if not ((ROOT / name).parent / link).exists()] == []
