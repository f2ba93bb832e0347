"""The command line, as one types it: what it does, what it says, and with which status it ends."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file
from torchvision.models import VisionTransformer

from cltoolkit import learners, networks, sequences
from cltoolkit.cli import main
from cltoolkit.cli._words import read_value, settings
from cltoolkit.networks._vit_lora import MODELS
from cltoolkit.randomness import seeded
from cltoolkit.records import Run
from cltoolkit.training import Settings

DIGITS = ["--sequence", "split_digits", "--quiet", "--device", "cpu"]
QUICK = ["--set", "epochs=1", "network.hidden=8"]
Said = Callable[..., tuple[int, str, str]]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """Runs a command; its status, and what it said on stdout and stderr."""

    def run(*words: str | Path) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            status = main([str(word) for word in words])
        except SystemExit as stop:  # argparse's own way out
            status = int(stop.code or 0)
        return status, *capsys.readouterr()

    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three Runs: two seeds of one learner, and another learner."""
    folder = tmp_path_factory.mktemp("cli") / "runs"
    assert main(["run", "--learner", "finetune", *DIGITS, "--seed", "0", "1", "--out", str(folder), *QUICK]) == 0
    assert main(["run", "--learner", "joint", *DIGITS, "--out", str(folder / "upper"), *QUICK]) == 0
    return folder


def assert_refused(result: tuple[int, str, str], *words: str) -> None:
    """Status 2 and one line on stderr that holds these words."""
    status, out, err = result
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    for word in words:
        assert word in err


# What it does


def test_run_keeps_a_run_and_shows_it(said: Said, tmp_path: Path) -> None:
    words = [
        "learner.hidden=8",
        "embedding_dim=4",
        "lr=0.01",
        "beta=0.5",
        "batch_size=64",
        "validation=0.2",
        "log_every=2",
    ]
    status, out, err = said(
        "run", "--learner", "hypernet", *DIGITS, "--seed", "3", "--out", tmp_path / "run", *QUICK, "--set", *words
    )
    assert (status, err) == (0, "")
    run = Run.open(tmp_path / "run")
    assert (run.status, run.name, run.seed, run.T) == ("finished", "HyperNet", 3, 5)
    config = run.config["learner"]["config"]
    assert (config["hidden"], config["embedding_dim"], config["lr"], config["beta"]) == ([8], 4, 0.01, 0.5)
    assert run.config["network"]["arguments"]["hidden"] == [8]
    assert run.config["sequence"]["recipe"]["arguments"]["validation"] == 0.2
    assert [run.config["training"][name] for name in ("epochs", "batch_size", "log_every")] == [1, 64, 2]
    assert f"{run.metrics()['acc'].item():.3f}" in out
    assert f"saved in {tmp_path / 'run'}" in out


def test_the_default_network_follows_the_stated_rule(said: Said, tmp_path: Path) -> None:
    said("run", "--learner", "Fine-Tune", *DIGITS, "--out", tmp_path / "run", "--set", "epochs=1")
    network = Run.open(tmp_path / "run").config["network"]
    assert (network["name"], network["arguments"]["hidden"]) == ("mlp", [64, 64])


def test_the_scenario_is_a_choice(said: Said, tmp_path: Path) -> None:
    said("run", "--learner", "finetune", *DIGITS, "--scenario", "class", "--out", tmp_path / "run", *QUICK)
    run = Run.open(tmp_path / "run")
    assert run.config["sequence"]["scenario"] == "class"
    assert run.config["network"]["arguments"]["num_classes"] == 10


@pytest.mark.parametrize(
    ("place", "word", "tasks"), [("{c}", "classes_per_task=2", 2), ("task {t}/{c}", "names=a,b", 2)]
)
def test_a_folder_of_images_is_learned_by_adapters(
    said: Said, tmp_path: Path, place: str, word: str, tasks: int
) -> None:
    """The whole way: images on disk, a frozen transformer from a file, a hypernetwork of adapters; and on again."""
    images(tmp_path / "images", place)
    with seeded(0):
        save_file(VisionTransformer(**MODELS["toy"]._asdict()).state_dict(), tmp_path / "vit.safetensors")
    words = [f"path={tmp_path / 'images'}", "size=12", word, "epochs=1", "model=toy", "network.rank=2"]
    words += [f"weights={tmp_path / 'vit.safetensors'}", "learner.hidden=8"]
    given = ["--learner", "hypernet", "--sequence", "from_folder", "--network", "vit_lora", "--set", *words]
    status, _, err = said("run", *given, "--device", "cpu", "--quiet", "--out", tmp_path / "run")
    assert (status, err) == (0, "")
    run = Run.open(tmp_path / "run")
    assert (run.status, run.T, run.config["network"]["name"]) == ("finished", tasks, "vit_lora")
    assert said("resume", tmp_path / "run", "--device", "cpu", "--quiet")[0] == 0


def images(folder: Path, place: str) -> None:
    """Twelve images of each of four classes."""
    for i in range(48):
        path = folder / place.format(c=f"class {i % 4}", t=i % 2) / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (10, 14), (60 * (i % 4), 9, i)).save(path)


def test_random_frozen_weights_are_one_line_of_warning(said: Said, tmp_path: Path) -> None:
    images(tmp_path / "images", "{c}")
    words = [f"path={tmp_path / 'images'}", "size=12", "classes_per_task=2", "shuffle_classes=true", "epochs=1"]
    given = [
        "--learner",
        "finetune",
        "--sequence",
        "from_folder",
        "--network",
        "vit_lora",
        "--set",
        *words,
        "model=toy",
    ]
    status, _, err = said("run", *given, "--device", "cpu", "--quiet", "--out", tmp_path / "run")
    assert status == 0
    assert re.fullmatch(r"warning: the frozen weights of toy are random.*weights=.*\n", err)


def test_several_seeds_make_several_runs(runs: Path) -> None:
    assert sorted(path.name for path in runs.iterdir()) == ["finetune-0", "finetune-1", "upper"]
    assert [Run.open(runs / name).seed for name in ("finetune-0", "finetune-1")] == [0, 1]


def test_show_prints_a_line_per_run_and_the_spread_over_seeds(said: Said, runs: Path) -> None:
    status, out, err = said("show", runs)
    assert (status, err) == (0, "")
    header, _, *lines = [re.split(r"\s{2,}", line.strip()) for line in out.splitlines()]
    assert header == ["run", "learner", "sequence", "seed", "acc", "bwt", "fwt", "forgetting", "seconds"]
    assert [line[0] for line in lines] == ["finetune-0", "finetune-1", "upper", "2 runs"]
    table = [Run.open(runs / f"finetune-{seed}").metrics() for seed in (0, 1)]
    for row, line in zip(table, lines, strict=False):
        assert line[4:8] == [f"{row[name].item():.3f}" for name in ("acc", "bwt", "fwt", "forgetting")]
    values = [row["acc"].item() for row in table]
    spread = f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"
    assert lines[3][:5] == ["2 runs", "Finetune", "split digits (task)", "2 seeds", spread]
    assert said("show", runs / "finetune-0", runs / "finetune-1", runs / "upper")[1] == out


def test_show_draws_figures(said: Said, runs: Path, tmp_path: Path) -> None:
    status, out, _ = said("show", runs, "--figures", tmp_path / "new" / "figures")
    assert status == 0
    files = sorted((tmp_path / "new" / "figures").iterdir())
    tasks = "split_digits-task-5"
    expected = [
        f"{name}-{kind}" for name in ("finetune-0", "finetune-1", "upper") for kind in ("accuracy_matrix", "curves")
    ]
    assert [file.stem for file in files] == sorted([*expected, f"{tasks}-average_so_far", f"{tasks}-compare"])
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)
    assert "8 figures saved in" in out


def test_show_draws_the_embeddings_of_a_method_that_has_them(said: Said, tmp_path: Path) -> None:
    words = ["run", "--learner", "hembedding", *DIGITS, "--out", tmp_path / "run", *QUICK]
    assert said(*words)[0] == 0
    assert said("show", tmp_path / "run", "--figures", tmp_path / "figures")[0] == 0
    drawn = {file.stem for file in (tmp_path / "figures").iterdir()}
    assert {"run-embedding_trajectories", "run-discrepancy"} < drawn


def test_resume_of_what_is_finished_changes_nothing(said: Said, runs: Path) -> None:
    before = {file: file.read_bytes() for file in runs.rglob("*") if file.is_file()}
    status, out, _ = said("resume", runs, "--quiet", "--device", "cpu")
    assert status == 0
    assert out == said("show", runs)[1]
    assert {file: file.read_bytes() for file in runs.rglob("*") if file.is_file()} == before


def test_overwrite_begins_again(said: Said, tmp_path: Path) -> None:
    words = ["run", "--learner", "finetune", *DIGITS, "--out", tmp_path / "run", *QUICK]
    assert said(*words)[0] == 0
    assert_refused(said(*words), "exists and is not empty", "cltoolkit resume", "--overwrite")
    assert said(*words, "--overwrite", "--seed", "1")[0] == 0
    assert Run.open(tmp_path / "run").seed == 1


def test_list_says_what_there_is(said: Said) -> None:
    status, out, _ = said("list")
    assert status == 0
    names = [*map(str.lower, learners.METHODS), *sequences.names(), *networks.names()]
    assert [line.split()[0] for line in out.splitlines() if line.startswith("  ")] == names
    assert all(len(line.split()) > 3 for line in out.splitlines() if line.startswith("  "))


def test_list_says_what_can_be_set(said: Said) -> None:
    _, out, _ = said("list", "HyperNet", "mlp")
    assert "beta=0.1" in out
    assert "batch_norm=False" in out
    assert "split_digits" not in out


@pytest.mark.parametrize("builder", [*learners.METHODS.values(), Settings], ids=lambda b: b.__name__)
def test_every_hyperparameter_can_be_set(builder: type) -> None:
    """A default, as `list` shows it, is read back as that very value."""
    for name, hint in settings(builder).items():
        default = vars(builder).get(name, builder.__init__.__kwdefaults__ and builder.__init__.__kwdefaults__.get(name))
        text = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
        value = read_value(name, text, hint)
        assert (tuple(value) if isinstance(value, list) else value) == default


# What it refuses


def refused(words: str, *expected: str) -> object:
    return pytest.param(words.split(), expected, id=words)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        refused("--learner hypernt", "unknown learner 'hypernt'; did you mean 'hypernet'"),
        refused("--learner x", "unknown learner 'x'; known are", "'finetune'"),
        refused("--sequence split_digit", "unknown sequence 'split_digit'; did you mean 'split_digits'"),
        refused("--network mpl", "unknown network 'mpl'; did you mean 'mlp'?"),
        refused("--scenario clas", "unknown scenario 'clas'; did you mean 'class'?"),
        refused("--set bta=1", "unknown setting 'bta'; did you mean 'beta'?"),
        refused("--set epoch=1", "unknown setting 'epoch'; did you mean 'epochs'?"),
        refused("--set leaner.lr=1", "unknown group 'leaner'; did you mean 'learner'?"),
        refused("--set learner.epochs=1", "the learner has no setting 'epochs'"),
        refused("--set hidden=3", "--set hidden is not clear", "learner.hidden=...", "network.hidden=..."),
        refused("--set seed=3", "--seed or --set sequence.seed=..."),
        refused("--set out=x", "--set out is not clear; write --out"),
        refused("--set epochs", "expected --set NAME=VALUE; got 'epochs'"),
        refused("--set epochs=ten", "training.epochs: expected a whole number; got 'ten'"),
        refused("--set epochs=1.5", "expected a whole number; got '1.5'"),
        refused("--set epochs=0", "expected epochs to be a whole number of at least 1; got 0"),
        refused("--set lr=fast", "learner.lr: expected a number; got 'fast'"),
        refused("--set lr=nan", "expected a number; got 'nan'"),
        refused("--set output=fall", "expected auto or full or chunked or low_rank; got 'fall'; did you mean 'full'?"),
        refused("--set lookahead=ture", "expected true or false; got 'ture'; did you mean 'true'?"),
        refused("--set network.hidden=8,x", "expected a whole number or several with commas; got '8,x'"),
        refused("--set eval_every=x", "expected a whole number or none; got 'x'"),
        refused("--set precision=bf61", "expected bf16 or none; got 'bf61'; did you mean 'bf16'?"),
        refused("--set activation=rleu", "'rleu'", "'relu'"),
        refused("--network lenet", "lenet takes images of at least 12 x 12 pixels"),
        refused("--sequence from_folder", "the sequence from_folder needs --set sequence.path=..."),
        refused("--device cdua", "expected a device such as 'cpu'", "got 'cdua'"),
    ],
)
def test_a_slip_gets_the_nearest_right_word(
    said: Said, tmp_path: Path, words: Sequence[str], expected: Sequence[str]
) -> None:
    """In one line, and with nothing left behind."""
    given = ["run", "--learner", "hypernet", *DIGITS, "--out", tmp_path / "run", *words]
    assert_refused(said(*given), "cltoolkit run: ", *expected)
    assert not (tmp_path / "run").exists()


def test_cuda_where_there_is_none(said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    words = ["run", "--learner", "finetune", *DIGITS, "--device", "cuda", "--out", tmp_path / "run"]
    assert_refused(said(*words), "'cuda' was asked for, but torch finds no CUDA device here")


def test_a_folder_that_cannot_be_made(said: Said, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    words = ["run", "--learner", "finetune", *DIGITS, "--out"]
    assert_refused(said(*words, tmp_path / "file"), "exists and is not empty")
    assert_refused(said(*words, tmp_path / "file" / "run"), "cltoolkit run: ")


def test_a_folder_of_seeds_is_no_run(said: Said, runs: Path) -> None:
    words = ["run", "--learner", "joint", *DIGITS, "--out", runs / "upper", "--seed", "1", "2"]
    assert_refused(said(*words), "is a Run, and several seeds need a folder for several Runs")


def test_nothing_is_trained_if_one_of_the_folders_is_in_use(said: Said, runs: Path) -> None:
    words = ["run", "--learner", "finetune", *DIGITS, "--out", runs, "--seed", "7", "1"]
    assert_refused(said(*words), "finetune-1 exists and is not empty")
    assert not (runs / "finetune-7").exists()


@pytest.mark.parametrize("command", ["show", "resume"])
def test_what_is_no_run_is_said(said: Said, tmp_path: Path, command: str) -> None:
    assert_refused(said(command, tmp_path / "nowhere"), "there is no such folder")
    assert_refused(said(command, tmp_path), "neither it nor a folder in it holds a run.json")
    (tmp_path / "run.json").write_text("{")
    assert_refused(said(command, tmp_path), "run.json is damaged or truncated")


@pytest.mark.parametrize("words", [[], ["rnu"], ["run"], ["show"], ["run", "--seed", "x"]], ids=" ".join)
def test_incomplete_commands_say_how_they_are_used(said: Said, words: list[str]) -> None:
    status, _, err = said(*words)
    assert status == 2
    assert "usage: cltoolkit" in err
    assert "Traceback" not in err


# Values


@pytest.mark.parametrize(
    ("text", "hint", "value"),
    [
        ("3", int, 3),
        ("-1", int, -1),
        ("1e-3", float, 0.001),
        ("1", float, 1.0),
        ("True", bool, True),
        ("false", bool, False),
        ("None", int | None, None),
        ("none", str | None, None),
        ("None", str | os.PathLike[str] | None, None),
        ("a/b", str | os.PathLike[str] | None, "a/b"),
        ("7", int | None, 7),
        ("a=b", str, "a=b"),
        ("7", int | str, 7),
        ("x", int | str, "x"),
        ("64,64", tuple[int, ...], [64, 64]),
        ("64", Sequence[int], [64]),
        ("(64, 32,)", Sequence[int], [64, 32]),
        ("", Sequence[int], []),
        ("0.5", float | Sequence[float], 0.5),
        ("0.5,1", float | Sequence[float], [0.5, 1.0]),
        ("b", Literal["a", "b"], "b"),
        ("2", Literal[1, 2] | None, 2),
    ],
)
def test_a_text_is_read_by_its_type(text: str, hint: object, value: object) -> None:
    read = read_value("x", text, hint)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize("text", ["__import__('os')", "[].append(1)", "lambda: 1", "1+1"])
def test_no_text_is_evaluated(text: str) -> None:
    for hint in (int, float, bool, tuple[int, ...], int | None):
        with pytest.raises(ValueError, match="expected"):
            read_value("x", text, hint)


# As a program


def program(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "cltoolkit", *map(str, words)]


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_ctrl_c_ends_with_130_and_says_how_to_go_on(tmp_path: Path) -> None:
    """And what was begun goes on to the same bytes."""
    learn = ["run", "--learner", "finetune", "--sequence", "split_digits", "--device", "cpu", "--quiet", *QUICK]
    long = [*learn, "epochs=40", "checkpoint_every=20"]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    begun = subprocess.Popen(
        program(*long, "--out", tmp_path / "run"), env=env, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "run" / "checkpoint.safetensors").exists():
        assert begun.poll() is None, begun.stderr and begun.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    begun.send_signal(signal.SIGINT)
    out, err = begun.communicate(timeout=60)
    assert begun.returncode == 130, err
    assert out == ""
    assert re.fullmatch(
        rf"interrupted with \d of 5 tasks learned; go on with: cltoolkit resume {tmp_path / 'run'}\n", err
    )
    assert Run.open(tmp_path / "run").status == "interrupted"
    again = ["resume", tmp_path / "run", "--device", "cpu", "--quiet"]
    subprocess.run(program(*again), env=env, check=True, capture_output=True, timeout=120)
    assert main([*long, "--out", str(tmp_path / "whole")]) == 0
    run, whole = Run.open(tmp_path / "run"), Run.open(tmp_path / "whole")
    assert run.status == "finished"
    assert run.accuracy.tobytes() == whole.accuracy.tobytes()
    assert run.curves["loss"].tobytes() == whole.curves["loss"].tobytes()


def test_an_unfinished_run_is_shown_with_what_it_has(said: Said, tmp_path: Path) -> None:
    accuracy = np.full((4, 3), np.nan)
    accuracy[:3] = [[0.5, 0.5, 0.5], [1.0, 0.5, 0.5], [0.75, 1.0, 0.5]]
    config = {"learner": {"name": "Own"}, "sequence": {"name": "mine", "scenario": "task", "tasks": []}}
    Run(accuracy, config, status="interrupted").save(tmp_path / "half")
    Run(np.full((4, 3), np.nan), config, status="training").save(tmp_path / "none")
    _, out, _ = said("show", tmp_path)
    assert re.search(r"half +Own +mine \(task\) +0 +0\.875 +-0\.250 .* interrupted, 2 of 3 tasks", out)
    assert re.search(r"none +Own +mine \(task\) +0 +– +– .* training, 0 of 3 tasks", out)


def test_the_module_is_the_command_and_draws_only_when_asked(runs: Path) -> None:
    check = (
        "import sys; from cltoolkit.cli import main; main(['show', sys.argv[1]]); sys.exit('matplotlib' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", check, str(runs)], check=True, capture_output=True)
    shown = subprocess.run(program("--help"), check=True, capture_output=True, text=True)
    assert "run" in shown.stdout
    assert "resume" in shown.stdout


def test_warnings_are_one_line(said: Said, tmp_path: Path) -> None:
    status, _, err = said(
        "run", "--learner", "finetune", *DIGITS, "--out", tmp_path / "run", *QUICK, "--set", "lr=1e30"
    )
    assert status == 0
    assert re.fullmatch(r"warning: the loss became (nan|inf) in task \d, step \d+; .*\n", err)
