"""Texts: every form of source is the same tasks, errors name the line, and files come back by their recipe."""

import gzip
import json

import pandas as pd
import pytest
import torch

import cltoolkit as cl
from cltoolkit import sequences
from cltoolkit.sequences import from_text

TEXTS = [f"{word} number {i}" for word in ("apple", "bear", "cloud", "drum") for i in range(10)]
LABELS = [label for label in ("fruit", "animal", "sky", "music") for _ in range(10)]
OTHER = [f"{word} is {i}" for word in ("seven", "eight") for i in range(10)]
NUMBERS = [7] * 10 + [8] * 10


def content(sequence):
    return [
        (task.name, task.classes, part, *map(torch.Tensor.tolist, data.take(torch.arange(len(data)))))
        for task in sequence
        for part, data in task.parts.items()
    ]


def write(path, texts=TEXTS, labels=LABELS, text="text", label="label"):
    lines = "".join(json.dumps({"id": 0, text: t, label: y}) + "\n" for t, y in zip(texts, labels, strict=True))
    path.write_bytes(gzip.compress(lines.encode()) if path.suffix == ".gz" else lines.encode())
    return path


def frame(text="text", label="label"):
    return pd.DataFrame({text: TEXTS, label: LABELS}, index=range(100, 140))


def small(tasks, **options):
    return from_text(tasks, **{"dim": 4, "length": 5} | options)


# Sources

FORMS = {
    "lists": lambda _: ((TEXTS, LABELS), {}),
    "frame": lambda _: (frame(), {}),
    "frame with other columns": lambda _: (frame("t", "y"), {"text": "t", "label": "y"}),
    "jsonl": lambda root: (write(root / "a.jsonl"), {}),
    "gzip": lambda root: (str(write(root / "a.jsonl.gz")), {}),
    "other fields": lambda root: (write(root / "a.jsonl", text="t", label="y"), {"text": "t", "label": "y"}),
    "train alone": lambda _: ({"train": (TEXTS, LABELS)}, {}),
    "folder": lambda root: (write(root / "train.jsonl").parent, {}),
    "stem": lambda root: (str(write(root / "a.train.jsonl.gz")).removesuffix(".train.jsonl.gz"), {}),
}
every_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


@every_form
def test_every_form_is_the_same_task(form, tmp_path):
    source, options = form(tmp_path)
    assert content(small({"a": source}, **options)) == content(small({"a": (TEXTS, LABELS)}))


@every_form
def test_classes_of_one_source_are_dealt_out(form, tmp_path):
    source, options = form(tmp_path)
    made = small(source, classes={"calm": ["sky", "fruit"], "loud": ["music", "animal", "sky"]}, **options)
    assert [(task.name, task.classes) for task in made] == [
        ("calm", ("sky", "fruit")),
        ("loud", ("music", "animal", "sky")),
    ]
    assert len(small([source], classes_per_task=2, **options)) == 2


def test_parts_that_are_given_stay_as_they_are(tmp_path):
    parts = {"train": (TEXTS, LABELS), "validation": (TEXTS[:12], LABELS[:12]), "test": (TEXTS[5:33], LABELS[5:33])}
    for part, pair in parts.items():
        write(tmp_path / f"news.{'val' if part == 'validation' else part}.jsonl.gz", *pair)
    assert content(small([tmp_path / "news"])) == content(small({"news": parts}))
    assert {part: len(data) for part, data in small([tmp_path / "news"])[0].parts.items()} == {
        "train": 40, "validation": 12, "test": 28,
    }  # fmt: skip


def test_a_texts_encoding_follows_it_into_its_part():
    """Each input is the encoding of a text of its class, and no text is lost or in two parts."""
    made = small({"a": (TEXTS, LABELS)}, dim=64)[0]
    encoded = sequences.HashedTokens(64, 5)(TEXTS).transpose(1, 2)
    found = []
    for data in made.parts.values():
        x, y = data.take(torch.arange(len(data)))
        for one, unit in zip(x, y.tolist(), strict=True):
            (i,) = (encoded == one).flatten(1).all(1).nonzero()[:, 0].tolist()
            assert made.classes[unit] == LABELS[i]
            found.append(i)
    assert sorted(found) == list(range(len(TEXTS)))


def test_labels_are_task_local_and_kept():
    made = small([(TEXTS, LABELS), (OTHER, NUMBERS)], names=["a", "b"])
    assert [task.classes for task in made] == [("animal", "fruit", "music", "sky"), (7, 8)]
    assert [task.outputs for task in made] == [(0, 1, 2, 3), (0, 1)]
    assert [task.outputs for task in made.as_scenario("class")] == [(0, 1, 2, 3), (4, 5)]


def test_groups_of_labels_are_one_class_each():
    groups = {"a": {"nature": ["fruit", "animal", "sky"], "art": ["music"]}}
    made = small({"a": (TEXTS, LABELS), "b": (OTHER, NUMBERS)}, groups=groups)
    assert made[0].classes == ("art", "nature")
    assert torch.bincount(made[0].train.y).tolist() == [7, 22]


def test_files_name_their_tasks(tmp_path):
    (tmp_path / "mood").mkdir()
    paths = [write(tmp_path / "news.en.jsonl"), write(tmp_path / "mood" / "train.jsonl").parent]
    assert [task.name for task in small(paths)] == ["news", "mood"]
    assert [task.name for task in small([(TEXTS, LABELS), (OTHER, NUMBERS)])] == ["task 0", "task 1"]


def test_vectors_do_not_depend_on_the_other_tasks():
    pair = small({"b": (OTHER, NUMBERS), "a": (TEXTS, LABELS)})
    assert content(pair.reorder([1])) == content(small({"a": (TEXTS, LABELS)}))


def test_words_are_stored_as_numbers_over_one_table():
    made = from_text({"a": (TEXTS, LABELS), "b": (OTHER, NUMBERS)}, dim=64, length=8)
    parts = [data for task in made.to("cpu") for data in task.parts.values()]
    assert {data.x.dtype for data in parts} == {torch.int32}
    assert {data.x.shape[1:] for data in parts} == {(8,)}
    assert len({id(data.transform) for data in parts}) == 1


# Recipes


def test_files_come_back_by_their_recipe(tmp_path):
    paths = [write(tmp_path / "a.jsonl"), write(tmp_path / "b.jsonl.gz", OTHER, NUMBERS)]
    groups = {"a": {"nature": ["fruit", "animal", "sky"], "art": ["music"]}}
    made = small(paths, groups=groups, seed=3, validation=0.2).reorder([1, 0])
    assert content(sequences.build(json.loads(json.dumps(made.recipe)))) == content(made)
    dealt = small({"train": paths[0]}, classes_per_task=2)
    assert content(sequences.build(json.loads(json.dumps(dealt.recipe)))) == content(dealt)


def test_data_of_your_own_has_no_recipe(tmp_path):
    assert small({"a": frame()}).recipe is None
    assert from_text([write(tmp_path / "a.jsonl")], encoder=lambda texts: torch.zeros(len(texts), 2)).recipe is None


def test_the_command_line_builds_it(tmp_path):
    from cltoolkit.cli import main

    paths = f"{write(tmp_path / 'a.jsonl')},{write(tmp_path / 'b.jsonl', OTHER, NUMBERS)}"
    words = [f"tasks={paths}", "dim=4", "length=6", "filters=3", "epochs=1"]
    given = [
        "--learner",
        "finetune",
        "--sequence",
        "from_text",
        "--network",
        "text_cnn",
        "--out",
        str(tmp_path / "run"),
    ]
    assert main(["run", *given, "--device", "cpu", "--quiet", "--set", *words]) == 0
    run = cl.Run.open(tmp_path / "run")
    again = sequences.build(run.config["sequence"]["recipe"])
    assert [task.name for task in again] == ["a", "b"]
    assert again.input_shape == (4, 6)


# Encoders of your own


@pytest.mark.parametrize(("shape", "stored"), [((3, 2), (2, 3)), ((5,), (5,))])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64])
def test_any_function_of_texts_encodes(shape, stored, dtype):
    def encode(texts):
        return torch.tensor([[len(t)] for t in texts], dtype=dtype).view(-1, *[1] * len(shape)).expand(-1, *shape)

    made = from_text({"a": (TEXTS, LABELS)}, encoder=encode)
    x, _ = made[0].train.take(torch.tensor([0, 1]))
    assert x.dtype == torch.float32
    assert x.shape == (2, *stored)
    assert made[0].train.x.dtype == dtype


def test_an_encoder_is_called_once_for_each_part():
    calls = []

    def encode(texts):
        calls.append(len(texts))
        return torch.zeros(len(texts), 3)

    from_text({"a": {"train": (TEXTS, LABELS), "test": (TEXTS[::2], LABELS[::2])}}, encoder=encode)
    assert calls == [40, 20]


@pytest.mark.parametrize(
    ("encode", "message"),
    [
        (lambda texts: [0.0] * len(texts), "returns a tensor of floats; got list"),
        (lambda texts: torch.zeros(len(texts), 3, dtype=torch.int64), "returns a tensor of floats; got torch.int64"),
        (lambda texts: torch.zeros(len(texts)), r"\(40, length, d\) or \(40, d\) of 40 texts; got \(40,\)"),
        (lambda texts: torch.zeros(3, 2), r"of 40 texts; got \(3, 2\)"),
        (lambda texts: torch.full((len(texts), 2), torch.nan), "holds NaN"),
    ],
)
def test_what_an_encoder_returns_is_checked(encode, message):
    with pytest.raises(ValueError, match=message):
        from_text({"a": (TEXTS, LABELS)}, encoder=encode)


def test_encodings_of_two_lengths_are_refused():
    def encode(texts):
        return torch.zeros(len(texts), len(texts), 2)

    with pytest.raises(ValueError, match="Pad texts to one length"):
        from_text({"a": (TEXTS, LABELS), "b": (OTHER, NUMBERS)}, encoder=encode)


# Errors


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('{"text": "a", "label": 1}\n\n{"text": "b"', r"line 3 is no JSON"),
        ('{"text": "a", "label": 1}\n{"txt": "b", "label": 1}', r"line 2 has no field 'text'; did you mean 'txt'"),
        ('{"text": "a", "label": 1}\n{"text": "b"}', r"line 2 has no field 'label'"),
        ('["a", 1]', "line 1 holds a list"),
        ('{"text": "a", "label": 1}\n{"text": "  ", "label": 1}', "line 2: the text is empty"),
        ('{"text": 3, "label": 1}', "line 1: expected a text; got 3"),
        ('{"text": "a", "label": 1.5}', "line 1: expected a label that is a string or a whole number; got 1.5"),
        ('{"text": "a", "label": null}', "line 1: expected a label"),
        ('{"text": "a", "label": 1}\n{"text": "b", "label": "x"}', "numbers and strings mixed"),
        ("\n", "there are no texts"),
    ],
)
def test_errors_name_file_and_line(lines, message, tmp_path):
    path = tmp_path / "mood.jsonl"
    path.write_text(lines)
    with pytest.raises(ValueError, match=message) as caught:
        small([path])
    assert str(caught.value).startswith("task 'mood': ")
    assert "mood.jsonl" in str(caught.value) or "line" not in message


def test_damaged_files_are_named(tmp_path):
    whole = write(tmp_path / "a.jsonl.gz").read_bytes()
    for content_, message in (
        (whole[:-20], "damaged"),
        (b"no gzip", "damaged"),
        (whole[:20] + bytes([whole[20] ^ 255]) + whole[21:], "damaged|UTF-8|JSON"),
    ):
        (tmp_path / "a.jsonl.gz").write_bytes(content_)
        with pytest.raises(ValueError, match=message):
            small([tmp_path / "a.jsonl.gz"])
    (tmp_path / "b.jsonl").write_bytes('{"text": "Käse", "label": 1}'.encode("latin-1"))
    with pytest.raises(ValueError, match="no UTF-8"):
        small([tmp_path / "b.jsonl"])


def test_a_byte_order_mark_is_no_damage(tmp_path):
    path = write(tmp_path / "a.jsonl")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert content(small([path])) == content(small({"a": (TEXTS, LABELS)}))


PAIR = (TEXTS, LABELS)


@pytest.mark.parametrize(
    ("tasks", "options", "message"),
    [
        ({"train": PAIR}, {}, "classes_per_task=2"),
        ("a.jsonl", {}, "classes_per_task=2"),
        ([], {}, "expected several tasks"),
        ({"a": {"trian": PAIR}}, {}, "unknown part 'trian'; did you mean 'train'"),
        ({"a": {"test": PAIR}}, {}, "expected texts for training"),
        ({"a": {"train": PAIR, "test": (["x"], ["plant"])}}, {}, r"test labels \['plant'\] occur in no training"),
        ({"a": (TEXTS, LABELS[:-1])}, {}, "40 texts and 39 labels"),
        ({"a": ("text", ["x"])}, {}, "a single string"),
        ({"a": ([*TEXTS[:-1], ""], LABELS)}, {}, "text 39: the text is empty"),
        ({"a": frame("t")}, {}, "the data frame has no field 'text'"),
        ({"a": frame().assign(text=None)}, {}, "row 0: expected a text; got None"),
        ({"a": 3}, {}, "got int"),
        ([PAIR, PAIR], {"names": ["a"]}, "expected 2 names"),
        ([PAIR, PAIR], {"names": ["a", "a"]}, "name of its own"),
        ({"a": PAIR}, {"groups": {"b": {}}}, "groups are given for"),
        ({"a": PAIR}, {"groups": {"a": {"x": ["sky"]}}}, "are in none of the groups"),
        ({"a": PAIR}, {"groups": {"a": {"x": ["sky"], "y": ["sky"]}}}, "'sky' is in two groups"),
        ({"a": PAIR}, {"encoder": len}, "leave out dim and length"),
        ({"a": PAIR}, {"dim": 1}, "dim of at least 2"),
        ({"a": PAIR}, {"validation": 1}, "0 <= validation < 1"),
    ],
)
def test_errors_teach(tasks, options, message):
    with pytest.raises(ValueError, match=message):
        small(tasks, **options)


def test_missing_files_are_named(tmp_path):
    for name, message in (("a.jsonl", "there is none at"), ("news", "news.train.jsonl")):
        with pytest.raises(FileNotFoundError, match=message):
            small([tmp_path / name])


# The published texts


def test_real_texts(data_root):
    root = data_root / "text"
    if not (root / "agnews.train.jsonl.gz").is_file():
        pytest.skip(f"needs agnews.train.jsonl.gz, agnews.test.jsonl.gz, and the same of dbpedia, in {root}")
    made = from_text([root / "agnews", root / "dbpedia"])
    assert [(task.name, len(task.classes)) for task in made] == [("agnews", 4), ("dbpedia", 14)]
    assert made.input_shape == (128, 64)
