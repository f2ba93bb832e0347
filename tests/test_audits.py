"""An audit computes everything again from the saved weights, and notices what a run says that is not so."""

from pathlib import Path

import pytest
import tiny

import cltoolkit as cl
from cltoolkit.audits import audit
from cltoolkit.cli import main
from cltoolkit.learners import Learner
from cltoolkit.records import Run, RunError

METHODS = ("HyperInterval", "InterContiNet")


def new(name: str) -> Learner:
    return tiny.learner(name, 2)


def trained(name: str, folder: Path, *, snapshots: bool = True) -> Run:
    return cl.train(
        new(name), tiny.sequence(2), epochs=6, batch_size=8, out=folder, snapshots=snapshots, progress=False
    )


@pytest.mark.parametrize("name", METHODS)
def test_what_an_honest_run_says_holds(name: str, tmp_path: Path) -> None:
    trained(name, tmp_path / "run")
    found = audit(tmp_path / "run", learner=new(name), sequence=tiny.sequence(2))
    assert found
    assert [(f.after, f.task) for f in found.findings] == [(1, 0), (2, 0), (2, 1)]
    assert "3 certificates, every certificate holds" in repr(found)
    assert found.to_frame()["holds"].all()
    last = audit(tmp_path / "run", tasks=2, learner=new(name), sequence=tiny.sequence(2))
    assert len(last.findings) == 2
    moved = found.findings[1].moved
    assert moved == 0 if name == "InterContiNet" else moved > 0


def test_a_certificate_that_does_not_hold_is_named(tmp_path: Path) -> None:
    run = trained("HyperInterval", tmp_path / "run")
    run.series["certified"][1, 0, 0] = 0.99
    run.series["drift"][1, 0, 0] = 1e-9
    run.save(tmp_path / "run")
    found = audit(tmp_path / "run", learner=new("HyperInterval"), sequence=tiny.sequence(2))
    assert not found
    assert "1 do not hold: task 0 after 2" in repr(found)
    (wrong,) = [f for f in found.findings if not f.holds]
    assert wrong.certificate.certified != 0.99
    assert wrong.moved > wrong.drift


def test_without_snapshots_the_last_state_alone_is_audited(tmp_path: Path) -> None:
    trained("HyperInterval", tmp_path / "run", snapshots=False)
    found = audit(tmp_path / "run", learner=new("HyperInterval"), sequence=tiny.sequence(2))
    assert found
    assert {f.after for f in found.findings} == {2}


def test_a_run_that_promises_nothing_has_nothing_to_audit(tmp_path: Path) -> None:
    trained("Finetune", tmp_path / "run")
    with pytest.raises(RunError, match="has neither certificates nor masks"):
        audit(tmp_path / "run", learner=new("Finetune"), sequence=tiny.sequence(2))


@pytest.mark.parametrize("name", ["SupSup", "ExSSNeT"])
def test_masks_are_audited_by_their_hashes(name: str, tmp_path: Path) -> None:
    trained(name, tmp_path / "run")
    found = audit(tmp_path / "run", learner=new(name), sequence=tiny.sequence(2))
    assert found
    assert [(f.after, f.task) for f in found.findings] == [(1, 0), (2, 0), (2, 1)]
    assert "3 hashes, every hash holds" in repr(found)
    assert found.to_frame()["holds"].all()


def test_a_learner_of_masks_that_forgets_is_found_out(tmp_path: Path) -> None:
    def forgetful() -> Learner:
        return tiny.learner("ExSSNeT", 2, exclusive=False)

    cl.train(forgetful(), tiny.sequence(2), epochs=6, batch_size=8, out=tmp_path / "run", progress=False)
    found = audit(tmp_path / "run", learner=forgetful(), sequence=tiny.sequence(2))
    assert not found
    assert "1 do not hold: task 0 after 2" in repr(found)


def test_the_command_line_audits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "run")
    words = ["--learner", "intercontinet", "--sequence", "split_digits", "--set", "epochs=2", "network.hidden=8"]
    assert main(["run", *words, "--out", out, "--quiet"]) == 0
    assert main(["audit", out]) == 0
    assert "every certificate holds" in capsys.readouterr().out
    run = Run.open(out)
    run.series["certified"][4, 0, 0] += 0.5
    run.save(Path(out))
    assert main(["audit", out]) == 1
    assert "task 0 after 5" in capsys.readouterr().out
