"""Arrays, data sets and folders: the same data is the same tasks by whichever door it comes in, and errors teach."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch.utils.data import ConcatDataset, Dataset, Subset, TensorDataset

from cltoolkit import sequences
from cltoolkit.randomness import stream
from cltoolkit.sequences import _datasets, from_arrays, from_dataset, from_folder
from cltoolkit.tasks import Examples, Streamed

NAMES = ("ant", "bee", "cat", "dog")
IMAGES = torch.randint(256, (48, 3, 5, 4), dtype=torch.uint8, generator=stream(0, "images"))
LABELS = torch.arange(48) // 12
X = torch.randn(48, 3, generator=stream(0, "x"))
Y = torch.arange(48) % 4


def content(sequence):
    return [
        (task.name, task.classes, part, *map(torch.Tensor.tolist, data.take(torch.arange(len(data)))))
        for task in sequence
        for part, data in task.parts.items()
    ]


def write(root, images=IMAGES, labels=LABELS, place="{name}/{i:02}.png"):
    """Images as files, in folders by class."""
    for i, (image, label) in enumerate(zip(images, labels.tolist(), strict=True)):
        path = root / place.format(name=NAMES[label], i=i, half="first" if label < 2 else "second")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(path)
    return root


class Pairs(Dataset):
    """Rows (PIL image, label) and nothing else."""

    def __len__(self):
        return len(IMAGES)

    def __getitem__(self, i):
        return Image.fromarray(IMAGES[i].permute(1, 2, 0).numpy()), NAMES[LABELS[i]]


class Dicts(Pairs):
    """Rows as Hugging Face has them."""

    def __getitem__(self, i):
        image, label = super().__getitem__(i)
        return {"id": i, "picture": image, "label": label}


class Targets(Pairs):
    targets = tuple(NAMES[label] for label in LABELS)


# One builder underneath

DOORS = {
    "tensors": lambda _, **o: from_arrays(IMAGES, [NAMES[c] for c in LABELS], **o),
    "arrays": lambda _, **o: from_arrays(IMAGES.numpy(), np.array([NAMES[c] for c in LABELS]), **o),
    "objects": lambda _, **o: from_arrays(IMAGES, np.array([NAMES[c] for c in LABELS], dtype=object), **o),
    "list": lambda _, **o: from_arrays(list(IMAGES), [NAMES[c] for c in LABELS], **o),
    "codes": lambda _, **o: from_arrays(IMAGES, LABELS, class_names=NAMES, **o),
    "pairs": lambda _, **o: from_dataset(Pairs(), **o),
    "dicts": lambda _, **o: from_dataset(Dicts(), **o),
    "targets": lambda _, **o: from_dataset(Targets(), **o),
    "tensor data set": lambda _, **o: from_dataset(TensorDataset(IMAGES, LABELS), class_names=NAMES, **o),
    "subset": lambda _, **o: from_dataset(Subset(Targets(), range(48)), **o),
    "two halves": lambda _, **o: from_dataset(ConcatDataset([Subset(Pairs(), range(k, k + 24)) for k in (0, 24)]), **o),
    "streamed": lambda _, **o: from_dataset(Pairs(), in_memory=False, **o),
    "by a function": lambda _, **o: from_dataset(Pairs(), label_of=lambda row: row[1], **o),
    "by a column": lambda _, **o: from_dataset(Dicts(), label_column="label", input_column="picture", **o),
    "folder": lambda root, **o: from_folder(write(root), **o),
    "streamed folder": lambda root, **o: from_folder(write(root), in_memory=False, **o),
}  # fmt: skip


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
@pytest.mark.parametrize(
    "options",
    [
        {"classes_per_task": 2},
        {"classes_per_task": [3, 1], "scenario": "class"},
        {"classes": [["dog", "ant", "bee"], ["cat", "dog"]], "validation": 0.3, "test_fraction": 0.4, "seed": 5},
        {"classes": {"furry": ["cat", "dog"], "small": ["ant", "bee"]}, "order": [1, 0], "validation": 0},
    ],
)
def test_every_door_leads_to_the_same_tasks(door, options, tmp_path):
    assert content(door(tmp_path, **options)) == content(from_arrays(IMAGES, [NAMES[c] for c in LABELS], **options))


def test_a_list_of_tasks_is_the_same_as_classes():
    split = from_arrays(X, Y, classes_per_task=2, names=["a", "b"])
    listed = from_arrays(tasks=[(X[Y < 2], Y[Y < 2]), (X[Y >= 2], Y[Y >= 2])], names=["a", "b"])
    by_id = from_arrays(X, Y, task_ids=(Y >= 2).long(), names=["a", "b"])
    assert content(split) == content(listed) == content(by_id)


def test_folders_by_task_are_the_same_as_task_ids(tmp_path):
    ids = ["first" if c < 2 else "second" for c in LABELS]
    expected = content(from_arrays(IMAGES, [NAMES[c] for c in LABELS], task_ids=ids))
    assert content(from_folder(write(tmp_path, place="{half}/{name}/{i}.png"))) != []
    sorted_paths = write(tmp_path / "sorted", place="{half}/{name}/{i:02}.png")
    assert content(from_folder(sorted_paths)) == expected


@pytest.mark.parametrize("place", ["{part}/{half}/{name}/{i:02}.png", "{half}/{part}/{name}/{i:02}.png"])
def test_folders_of_tasks_with_their_own_test_images(place, tmp_path):
    test = torch.arange(48) % 3 == 0
    for part, rows in (("train", ~test), ("test", test)):
        write(tmp_path, IMAGES[rows], LABELS[rows], place.replace("{part}", part))
    names, ids = (
        (lambda r: [NAMES[c] for c in LABELS[r]]),
        (lambda r: ["second" if c > 1 else "first" for c in LABELS[r]]),
    )
    expected = from_arrays(
        IMAGES[~test], names(~test), test=(IMAGES[test], names(test)), task_ids=ids(~test), test_task_ids=ids(test)
    )
    assert content(from_folder(tmp_path)) == content(expected)


def test_folders_train_test_and_val_are_taken_as_they_are(tmp_path):
    part = torch.arange(48) % 3
    for k, name in enumerate(("train", "test", "val")):
        write(tmp_path / name, IMAGES[part == k], LABELS[part == k])
    for task in from_folder(tmp_path, classes_per_task=2):
        for k, data in enumerate((task.train, task.test, task.validation)):
            rows = (part == k) & torch.isin(LABELS, torch.tensor([NAMES.index(c) for c in task.classes]))
            assert torch.equal(data.x, IMAGES[rows])


def test_test_examples_that_are_given_are_the_test_examples():
    train, test = Y < 9, slice(0, 20)
    made = from_arrays(X[train], Y[train], test=(X[test], Y[test]), classes=[[0, 1, 2, 3]], validation=0)
    assert torch.equal(made[0].test.x, X[test])
    assert torch.equal(made[0].train.x, X)
    same = from_dataset(TensorDataset(X, Y), test=TensorDataset(X[test], Y[test]), classes=[[0, 1, 2, 3]], validation=0)
    assert content(made) == content(same)


def test_a_task_may_bring_all_its_parts():
    parts = {"train": (X[:20], Y[:20]), "test": (X[20:30], Y[20:30]), "validation": (X[30:], Y[30:])}
    task = from_arrays(tasks=[parts])[0]
    for part, (x, y) in parts.items():
        assert torch.equal(task.parts[part].x, x)
        assert torch.equal(task.parts[part].y, y)


def test_tasks_of_the_same_classes_divide_alike():
    """The images of a permuted task must not be tested on in one task and learned from in another."""
    a, b = from_arrays(tasks=[(X, Y), (10 * X, Y)])
    for part in a.parts:
        assert torch.equal(10 * a.parts[part].x, b.parts[part].x)


# Labels and numbers of all kinds


@given(st.lists(st.integers(-5, 5) | st.integers(10**12, 10**12 + 2), min_size=2, max_size=5, unique=True), st.data())
def test_original_labels_are_kept(labels, data):
    y = data.draw(st.permutations(labels * 3))
    task = from_arrays(
        torch.zeros(len(y), 2) + torch.tensor(y)[:, None] % 97, y, classes_per_task=len(labels), validation=0
    )[0]
    assert task.classes == tuple(sorted(labels))
    x = task.train.x[:, 0].tolist()
    assert [task.classes[c] % 97 for c in task.train.y.tolist()] == x


@pytest.mark.parametrize("kind", [np.uint8, np.int16, bool, np.int64])
def test_labels_of_any_whole_type(kind):
    task = from_arrays(X, (Y.numpy() % 2).astype(kind), classes_per_task=2)[0]
    assert task.classes == (0, 1)
    assert all(type(c) is int for c in task.classes)


def test_numbers_become_float32_and_bytes_stay():
    for kind, stored in (
        (np.float64, torch.float32),
        (np.int64, torch.float32),
        (np.float16, torch.float32),
        (np.uint8, torch.uint8),
    ):
        data = from_arrays(np.full((48, 3), 7, kind), Y, classes_per_task=4)[0].train
        assert data.x.dtype == stored
        assert data.take(torch.tensor([0]))[0][0, 0] == (pytest.approx(7 / 255) if stored == torch.uint8 else 7)


def test_arrays_are_not_aliased():
    array = X.numpy().copy()
    made = from_arrays(array, Y, classes_per_task=4, validation=0)
    before = content(made)
    array[:] = 0
    assert content(made) == before


def test_transform_and_augment_reach_the_tasks():
    made = from_arrays(IMAGES, LABELS, classes_per_task=2, transform=lambda x: x.float() - 1, augment="flip")
    assert made[0].augment is sequences.flip
    assert torch.equal(made[0].train.take(torch.tensor([0]))[0], made[0].train.x[:1].float() - 1)


# In memory or streamed


class Noisy(Pairs):
    """Flips a coin over every image, as random transforms do."""

    def __getitem__(self, i):
        return (IMAGES[i] if torch.rand(()) < 0.5 else IMAGES[i].flip(2)), NAMES[LABELS[i]]


def test_small_data_is_collected_and_large_streamed(monkeypatch):
    assert isinstance(from_dataset(Pairs(), classes_per_task=2)[0].train, Examples)
    monkeypatch.setattr(_datasets, "MEMORY_LIMIT", IMAGES.numel() - 1)
    assert isinstance(from_dataset(Pairs(), classes_per_task=2)[0].train, Streamed)
    assert isinstance(from_dataset(Pairs(), classes_per_task=2, in_memory=True)[0].train, Examples)


def test_random_transforms_stay_random():
    data = from_dataset(Noisy(), classes_per_task=2)[0].train
    assert isinstance(data, Streamed)
    order = torch.arange(len(data))
    (a, _), (b, _), (c, _) = (next(data.batches(order, 99, seed=seed)) for seed in (0, 0, 1))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_reading_draws_from_no_global_generator():
    before = torch.get_rng_state()
    from_dataset(Noisy(), classes_per_task=2, in_memory=True)
    assert torch.equal(torch.get_rng_state(), before)


def test_workers_read_the_same():
    here, there = (from_dataset(Noisy(), classes_per_task=2, workers=workers)[0].train for workers in (0, 2))
    order = torch.arange(len(here))
    assert all(
        torch.equal(a, b) for (a, _), (b, _) in zip(here.batches(order, 7), there.batches(order, 7), strict=True)
    )


# Folders


def test_folder_resizes_and_reads_gray(tmp_path):
    made = from_folder(write(tmp_path), classes_per_task=2, size=(8, 6), channels=1)
    assert made.input_shape == (1, 8, 6)
    assert from_folder(tmp_path, classes_per_task=2, size=7).input_shape == (3, 7, 7)


def test_folder_is_built_again_from_its_recipe(tmp_path):
    made = from_folder(write(tmp_path), classes_per_task=2, seed=4)
    assert content(sequences.build(made.recipe)) == content(made)


def test_classes_are_dealt_out_in_an_order_of_the_seed(tmp_path):
    write(tmp_path)
    plain = from_folder(tmp_path, classes_per_task=2)
    dealt = {seed: from_folder(tmp_path, classes_per_task=2, shuffle_classes=True, seed=seed) for seed in range(4)}
    groups = {seed: [task.classes for task in made] for seed, made in dealt.items()}
    assert len({str(g) for g in groups.values()}) > 1
    assert all(sorted(sum(g, ())) == sorted(NAMES) for g in groups.values())
    assert content(from_folder(tmp_path, classes_per_task=2, shuffle_classes=True, seed=1)) == content(dealt[1])
    assert content(sequences.build(dealt[1].recipe)) == content(dealt[1])
    assert by_class(dealt[0]) == by_class(plain)  # which examples train and test is another matter


def by_class(sequence):
    """The examples of each class, by part."""
    return {
        (task.classes[c], part): data.x[data.y == task.outputs[c]].tolist()
        for task in sequence
        for part, data in task.parts.items()
        for c in range(len(task.classes))
    }


@pytest.mark.parametrize("options", [{}, {"classes": [["ant", "cat"], ["bee", "dog"]]}])
def test_a_shuffle_needs_classes_to_deal_out(tmp_path, options):
    write(tmp_path, place="{half}/{name}/{i}.png")
    with pytest.raises(ValueError, match="shuffle_classes deals out the classes for classes_per_task"):
        from_folder(tmp_path, shuffle_classes=True, **options)


def test_outer_folders_are_domains_where_classes_form_the_tasks(tmp_path):
    """The same tasks as from folders of classes alone; without the domains' names."""
    write(tmp_path / "flat")
    for i, (image, label) in enumerate(zip(IMAGES, LABELS.tolist(), strict=True)):
        folder = tmp_path / "domains" / ("sketch" if i % 3 else "clipart") / NAMES[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(folder / f"{i:02}.png")
    flat, domains = (from_folder(tmp_path / name, classes_per_task=2) for name in ("flat", "domains"))
    assert [(task.name, task.classes) for task in domains] == [(task.name, task.classes) for task in flat]
    assert [sum(map(len, task.parts.values())) for task in domains] == [24, 24]
    assert [task.name for task in from_folder(tmp_path / "domains")] == ["clipart", "sketch"]


def test_a_damaged_image_is_named_when_it_comes_to_it(tmp_path):
    whole = (write(tmp_path) / "dog/40.png").read_bytes()
    (tmp_path / "dog/40.png").write_bytes(whole[: len(whole) // 2])
    made = from_folder(tmp_path, classes_per_task=2, in_memory=False, verify=False)
    with pytest.raises(ValueError, match=r"dog/40.png cannot be read as an image .*; replace or remove it"):
        content(made)


def test_litter_is_passed_over(tmp_path):
    write(tmp_path)
    for name in (".DS_Store", "ant/Thumbs.db", "README.txt", ".git/config"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("not an image")
    assert len(from_folder(tmp_path, classes_per_task=2)) == 2


def test_images_that_cannot_be_read_are_all_named(tmp_path):
    write(tmp_path)
    (tmp_path / "ant/00.png").write_bytes(b"no image at all")
    whole = (tmp_path / "dog/40.png").read_bytes()
    (tmp_path / "dog/40.png").write_bytes(whole[: len(whole) // 2])
    for in_memory in (True, False):
        with pytest.raises(ValueError, match=r"2 of 48 images cannot be read: .*ant/00.png, .*dog/40.png"):
            from_folder(tmp_path, classes_per_task=2, in_memory=in_memory)


def test_files_that_are_no_images_are_named(tmp_path):
    np.save(write(tmp_path) / "ant/data.npy", X.numpy())
    with pytest.raises(ValueError, match=r"1 file in class folders is no image: .*ant/data.npy"):
        from_folder(tmp_path, classes_per_task=2)


def test_images_of_two_sizes_ask_for_a_size(tmp_path):
    Image.new("RGB", (9, 9)).save(write(tmp_path) / "cat/new.png")
    with pytest.raises(ValueError, match=r"is 5 x 4, .*new.png is 9 x 9.*size=9"):
        from_folder(tmp_path, classes_per_task=2)
    assert from_folder(tmp_path, classes_per_task=2, size=9).input_shape == (3, 9, 9)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("{i}.png", "lies in 0 folders"),
        ("a/b/{name}/{i}.png", "lies in 3 folders"),
        ("test/{name}/{i}.png", "none for training"),
    ],
)
def test_other_layouts_are_said(place, message, tmp_path):
    with pytest.raises(ValueError, match=message + ".*Known layouts"):
        from_folder(write(tmp_path, place=place), classes_per_task=2)


def test_layouts_are_not_mixed(tmp_path):
    write(tmp_path)
    write(tmp_path, place="{half}/{name}/{i}.png")
    with pytest.raises(ValueError, match="some images lie in one folder"):
        from_folder(tmp_path, classes_per_task=2)


def test_missing_and_empty_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere does not exist"):
        from_folder(tmp_path / "nowhere", classes_per_task=2)
    with pytest.raises(ValueError, match="no images"):
        from_folder(tmp_path, classes_per_task=2)
    (tmp_path / "file").write_text("")
    with pytest.raises(FileNotFoundError, match="is a file"):
        from_folder(tmp_path / "file", classes_per_task=2)


# Errors


def broken(place, value):
    x = X.clone()
    x[place] = value
    return x


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: from_arrays(X, Y), "say how classes form tasks"),
        (lambda: from_arrays(X), "x and y, or tasks="),
        (lambda: from_arrays(X, Y, tasks=[(X, Y)]), "leave out x, y"),
        (lambda: from_arrays(X, Y[:-1], classes_per_task=2), "48 inputs and 47 labels"),
        (lambda: from_arrays(broken(7, float("nan")), Y, classes_per_task=2), "example 7 holds NaN"),
        (lambda: from_arrays(X, Y, classes=[[0, 1], [2, 9]]), r"classes\[1\] names \[9\].*labels \[0, 1, 2, 3\]"),
        (lambda: from_arrays(X, Y, classes_per_task=3), "do not divide into tasks of 3"),
        (lambda: from_arrays(X, Y, classes_per_task=1), "single class 0"),
        (lambda: from_arrays(X, 0 * Y, classes_per_task=1), "single class 0"),
        (
            lambda: from_arrays(X, Y.float(), classes_per_task=2),
            r"whole numbers or strings; got float32.*astype\(int\)",
        ),
        (lambda: from_arrays(X, torch.eye(4)[Y], classes_per_task=2), r"shape \(48, 4\).*argmax"),
        (lambda: from_arrays(X, ["a", 1, "b", 2] * 12, classes_per_task=2), "mixed"),
        (lambda: from_arrays(X, [None, 1, 2, 3] * 12, classes_per_task=2), "NoneType"),
        (lambda: from_arrays(X[:, 0], Y, classes_per_task=2), r"x\[:, None\]"),
        (
            lambda: from_arrays([[1.0, 2.0], [1.0]], [0, 1], classes_per_task=2),
            r"example 0 has \(2,\), example 1 has \(1,\)",
        ),
        (lambda: from_arrays([torch.ones(2), torch.ones(3)], [0, 1], classes_per_task=2), "one shape"),
        (lambda: from_arrays(np.array([["a", "b"]] * 48), Y, classes_per_task=2), "inputs that are numbers"),
        (
            lambda: from_arrays(X[:5], Y[:5], classes_per_task=2),
            "class 1 has 1 example, too few to keep 0.2 of them for test",
        ),
        (lambda: from_arrays(X[:8], Y[:8], classes_per_task=2), "class 0 has 1 example, too few .* for validation"),
        (lambda: from_arrays(X, Y, classes_per_task=2, test_fraction=0), "no test examples"),
        (lambda: from_arrays(X, Y, classes_per_task=2, test_fraction=1.5), "test as a fraction"),
        (lambda: from_arrays(X, Y, classes_per_task=2, names=["a"]), "2 names, one for each task; got 1"),
        (lambda: from_arrays(X, Y, classes_per_task=2, names=["a", "a"]), "occur more than once"),
        (lambda: from_arrays(X, Y, classes_per_task=2, class_names=["a", "b"]), r"labels \[2, 3\] are out of range"),
        (
            lambda: from_arrays(X, Y, classes_per_task=2, test=(X, Y + 1)),
            r"test labels \[4\] occur in no training example",
        ),
        (
            lambda: from_arrays(X, Y, classes_per_task=2, test=(X[:, :2], Y)),
            r"train inputs have shape \(3,\), test inputs \(2,\)",
        ),
        (lambda: from_arrays(X, Y, classes_per_task=2, test=X), r"test examples as a pair \(x, y\)"),
        (lambda: from_arrays(X, Y, task_ids=Y, classes_per_task=2), "not by both"),
        (lambda: from_arrays(X, Y, task_ids=Y[:9]), "got 9 for 48"),
        (lambda: from_arrays(X, Y, task_ids=Y // 2, test=(X, Y)), "test_task_ids="),
        (lambda: from_arrays(tasks=[(X, Y), (X[:0], Y[:0])]), "task 'task 1': no train examples"),
        (lambda: from_arrays(tasks=[(X, Y), (broken(3, float("inf")), Y)]), "task 'task 1': .*example 3"),
        (lambda: from_arrays(tasks=[(X, Y), (X[:, :2], Y)]), r"'task 0' has \(3,\), task 'task 1' has \(2,\)"),
        (lambda: from_arrays(tasks=[{"test": (X, Y)}]), "no part 'train'"),
        (lambda: from_arrays(tasks=[{"train": (X, Y), "tset": (X, Y)}]), "'tset'; did you mean 'test'"),
        (lambda: from_arrays(tasks=[]), "at least one task"),
        (lambda: from_arrays(X, Y, classes_per_task=2, augment="filp"), "did you mean 'flip'"),
        (lambda: from_dataset([], classes_per_task=2), r"\(list\) is empty"),
        (
            lambda: from_dataset(Dicts(), label_column="lable", classes_per_task=2),
            r"no column 'lable'; they have \['id', 'picture', 'label'\]",
        ),
        (lambda: from_dataset(TensorDataset(X, Y), in_memory="yes", classes_per_task=2), "True, False or 'auto'"),
    ],
)
def test_what_does_not_fit_is_said(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_labels_that_are_nowhere_say_where_they_were_sought():
    class Bare(Dataset):
        targets = (1, 2, 3)
        labels = None

        def __len__(self):
            return 48

        def __getitem__(self, i):
            return X[i]

    with pytest.raises(ValueError) as error:  # noqa: PT011 - what it says is what is tested
        from_dataset(Bare(), classes_per_task=2)
    for part in (
        "`targets`: has 3 entries for 48 rows",
        "`labels`: is a NoneType",
        "`tensors`: no such attribute",
        "rows are no dicts but Tensor",
        "rows are no pairs",
        "label_column=",
        "label_of=",
    ):
        assert part in str(error.value)


def test_rows_of_other_kinds_are_named():
    with pytest.raises(TypeError, match="input of row 0 is a str"):
        from_dataset([("text", 0), ("more", 1)] * 9, classes_per_task=2)
    with pytest.raises(ValueError, match=r"row 0 has \(2,\), row 1 has \(3,\)"):
        from_dataset([(torch.zeros(2), 0), (torch.zeros(3), 1)] * 9, classes_per_task=2)


def test_torchvision_data_sets_are_data_sets(data_root):
    from torchvision.datasets import MNIST

    made = from_dataset(Subset(MNIST(data_root, train=False), range(500)), classes_per_task=5)
    assert made.input_shape == (1, 28, 28)
    assert made[0].train.x.dtype == torch.uint8
    assert made[1].classes == (5, 6, 7, 8, 9)
