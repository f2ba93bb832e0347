"""The published data sets: on files made here in their formats, and on the real ones where they are."""

import hashlib
import inspect
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from cltoolkit import sequences
from cltoolkit.randomness import stream
from cltoolkit.sequences import _sources
from cltoolkit.sequences._batches import read_batch
from cltoolkit.sequences._files import data_root as chosen_root
from cltoolkit.sequences._files import read_idx
from cltoolkit.sequences._superclasses import SUPERCLASSES

IDX_BUILDERS = [
    build
    for key in ("mnist", "fashion_mnist")
    for build in (vars(sequences)[f"{kind}_{key}"] for kind in ("split", "permuted", "rotated"))
]


def idx(array):
    return struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def draw(*shape):
    return torch.randint(256, shape, dtype=torch.uint8, generator=stream(0, *shape)).numpy()


@pytest.fixture
def root(tmp_path):
    """Small data sets in torchvision's layout."""
    for folder in ("MNIST", "FashionMNIST"):
        raw = tmp_path / folder / "raw"
        raw.mkdir(parents=True)
        for part, n in (("train", 80), ("t10k", 40)):
            (raw / f"{part}-images-idx3-ubyte").write_bytes(idx(draw(n, 28, 28)))
            (raw / f"{part}-labels-idx1-ubyte").write_bytes(idx(np.arange(n, dtype=np.uint8) % 10))
    names = {"train": 200, "test": 200, "meta": None}
    cifar(
        tmp_path / "cifar-100-python", names, "fine_labels", "fine_label_names", [f"thing {c:02}" for c in range(100)]
    )
    names = {f"data_batch_{i}": 20 for i in range(1, 6)} | {"test_batch": 20, "batches.meta": None}
    cifar(tmp_path / "cifar-10-batches-py", names, "labels", "label_names", [f"thing {c}" for c in range(10)])
    return tmp_path


@pytest.fixture
def named_root(tmp_path):
    """A small CIFAR-100 whose classes have their published names, in alphabetical order as there."""
    names = sorted(name for chosen in SUPERCLASSES.values() for name in chosen)
    files = {"train": 200, "test": 200, "meta": None}
    cifar(tmp_path / "cifar-100-python", files, "fine_labels", "fine_label_names", names)
    return tmp_path


def cifar(folder, files, labels, label_names, names):
    folder.mkdir()
    for name, n in files.items():
        if n is None:
            entries = {label_names: names}
        else:
            entries = {"data": draw(n, 3072), labels: [i % len(names) for i in range(n)], "filenames": ["x"] * n}
        (folder / name).write_bytes(batch(entries))


def batch(entries):
    """A batch as Python writes it today, under the names that numpy had when CIFAR was written."""
    return pickle.dumps(entries, protocol=3).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


# A batch as Python 2 wrote it, and so as CIFAR is published: strings and bytes are one.
PUBLISHED = (
    b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\nq\x04K\x00\x85U\x01b\x87Rq\x05"
    b"(K\x01K\x02K\x03\x86cnumpy\ndtype\nq\x06U\x02u1K\x00K\x01\x87Rq\x07(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
    b"U\x06\x00\x01\x7f\x80\xfe\xfftbU\x06labelsq\x08]q\x09(K\x05M\x2c\x01eU\x0bbatch_labelq\x0aU\x04testq\x0bu."
)


# On files made here


@pytest.mark.parametrize("build", IDX_BUILDERS, ids=lambda b: b.__name__)
def test_images_come_out_as_they_went_in(build, root):
    made = build(root=root, validation=0, download=False)
    folder = "FashionMNIST" if "fashion" in build.__name__ else "MNIST"
    stored = torch.from_numpy(draw(80, 28, 28))[:, None]
    rows = torch.cat([task.train.x for task in made]) if "split" in build.__name__ else made[0].train.x
    assert sorted(rows.flatten(1).tolist()) == sorted(stored.flatten(1).tolist())
    assert made.input_shape == (1, 28, 28)
    x, _ = made[0].train.take(torch.arange(4))
    assert_close(x, made[0].train.x[:4].float() / 255)
    assert (root / folder).is_dir()


@pytest.mark.parametrize("build", IDX_BUILDERS, ids=lambda b: b.__name__)
def test_normalising_is_an_option(build, root):
    key = "fashion_mnist" if "fashion" in build.__name__ else "mnist"
    mean, std = _sources.SOURCES[key].mean[0], _sources.SOURCES[key].std[0]
    for plain, normal in zip(build(root=root), build(root=root, normalize=True), strict=True):
        assert_close(
            normal.test.take(torch.arange(3))[0], (plain.test.take(torch.arange(3))[0] - mean) / std, atol=1e-4, rtol=0
        )


@pytest.mark.parametrize("build", [b for b in IDX_BUILDERS if "split" not in b.__name__], ids=lambda b: b.__name__)
def test_a_hundred_tasks_take_the_memory_of_one(build, root):
    number = 100 if "permuted" in build.__name__ else range(100)
    made = build(number, root=root).as_scenario("class").to("cpu")
    for part in ("train", "validation", "test"):
        assert len({task.parts[part].x.data_ptr() for task in made}) == 1
        assert len({task.parts[part].y.data_ptr() for task in made}) == 1


def test_fashion_keeps_the_names_of_its_classes(root):
    made = sequences.split_fashion_mnist(root=root)
    assert made[0].classes == ("T-shirt/top", "Trouser")
    assert made[0].name == "T-shirt/top, Trouser"
    assert sequences.split_fashion_mnist(classes=[["Bag", "Coat"]], root=root)[0].classes == ("Bag", "Coat")


@pytest.mark.parametrize(
    ("build", "classes", "n"), [(sequences.split_cifar10, 2, 20), (sequences.split_cifar100, 10, 20)]
)
def test_cifar_batches_become_images(build, classes, n, root):
    made = build(root=root, verify=False, normalize=False, validation=0, download=False)
    assert made.input_shape == (3, 32, 32)
    assert made.num_classes == classes
    assert made[0].classes[:2] in {("thing 0", "thing 1"), ("thing 00", "thing 01")}
    assert [len(task.train) for task in made] == [n] * len(made)
    per_file = 20 if classes == 2 else 200
    assert torch.equal(made[0].train.x[0], torch.from_numpy(draw(per_file, 3072))[0].view(3, 32, 32))


@pytest.mark.parametrize("build", [sequences.split_cifar10, sequences.split_cifar100])
def test_cifar_classes_come_in_an_order_of_the_seed(build, root):
    plain, dealt, other = (
        [c for task in build(root=root, verify=False, validation=0.5, **options) for c in task.classes]
        for options in ({}, {"shuffle_classes": True}, {"shuffle_classes": True, "seed": 1})
    )
    assert plain == sorted(plain) == sorted(dealt) == sorted(other)
    assert len({str(order) for order in (plain, dealt, other)}) == 3


def test_superclasses_are_tasks_of_all_classes(named_root):
    options = {"root": named_root, "verify": False, "download": False, "validation": 0.5}
    made = sequences.cifar100_superclasses(**options)
    assert [task.name for task in made][::19] == ["aquatic mammals", "vehicles 2"]
    assert {task.name: task.classes for task in made} == SUPERCLASSES
    assert sorted(c for task in made for c in task.classes) == sorted(
        c for task in sequences.split_cifar100(**options) for c in task.classes
    )
    assert (made.num_classes, made.scenario, made.input_shape) == (5, "task", (3, 32, 32))
    assert sequences.cifar100_superclasses(scenario="class", **options).num_classes == 100
    again = sequences.build(made.reorder([18, 3]).recipe)
    assert [task.name for task in again] == ["vehicles 1", "food containers"]


def test_superclasses_divide_examples_as_other_splits_do(named_root):
    options = {"root": named_root, "verify": False, "validation": 0.5, "seed": 3}
    fish = sequences.cifar100_superclasses(**options)[1]
    same = sequences.split_cifar100(classes=[SUPERCLASSES["fish"]], **options)[0]
    for part in ("train", "validation", "test"):
        assert torch.equal(fish.parts[part].x, same.parts[part].x)
        assert torch.equal(fish.parts[part].y, same.parts[part].y)


def test_cifar_augmentation_is_named(root):
    build = sequences.split_cifar10
    assert build(root=root, verify=False)[0].augment is None
    assert build(root=root, verify=False, augment=True)[0].augment is sequences.crop_flip
    assert build(root=root, verify=False, augment="flip").recipe["arguments"]["augment"] == "flip"
    assert build(root=root, verify=False, augment=lambda x, g: x).recipe is None


def test_other_checksums_are_refused_unless_accepted(root):
    for build, name in ((sequences.split_cifar10, "data_batch_1"), (sequences.split_cifar100, "train")):
        with pytest.raises(ValueError, match=rf"{name} is not the published one: MD5 .*, expected .*verify=False"):
            build(root=root)


def test_checksums_are_torchvisions():
    from torchvision.datasets import CIFAR10, CIFAR100

    for ours, theirs in ((_sources._CIFAR10, CIFAR10), (_sources._CIFAR100, CIFAR100)):
        published = [*theirs.train_list, *theirs.test_list, [theirs.meta["filename"], theirs.meta["md5"]]]
        assert [list(pair) for pair in ours.items()] == published


def test_published_files_are_accepted(root, monkeypatch):
    def hashed(path):
        return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()

    folder = root / "cifar-100-python"
    for name in _sources._CIFAR100:
        monkeypatch.setitem(_sources._CIFAR100, name, hashed(folder / name))
    assert len(sequences.split_cifar100(root=root, download=False)) == 10


def test_missing_files_say_where_they_were_sought(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        sequences.split_mnist(root=tmp_path, download=False)
    for part in (
        str(tmp_path / "MNIST/raw/train-images-idx3-ubyte"),
        "3 more",
        "download=False",
        "root=",
        "CLTOOLKIT_DATA",
    ):
        assert part in str(error.value)


def test_a_failed_download_says_why(tmp_path, monkeypatch):
    def offline(*_, **__):
        raise OSError("no\n network")

    monkeypatch.setattr("torchvision.datasets.mnist.download_and_extract_archive", offline)
    monkeypatch.setattr("torchvision.datasets.utils.download_and_extract_archive", offline)
    for build in (
        sequences.split_mnist,
        sequences.rotated_fashion_mnist,
        sequences.split_cifar10,
        sequences.split_cifar100,
    ):
        with pytest.raises(FileNotFoundError, match=r"download failed \(no network\).*Put the files there"):
            build(root=tmp_path)


def test_what_is_downloaded_is_read(root, tmp_path, monkeypatch):
    """The downloader is asked for the archive, under the root, with its checksum; what it unpacks there is read."""
    asked = []

    def unpack(url, target, filename, md5):
        asked.append((url, filename, md5))
        (root / "cifar-10-batches-py").rename(Path(target) / "cifar-10-batches-py")

    monkeypatch.setattr("torchvision.datasets.utils.download_and_extract_archive", unpack)
    new = tmp_path / "new"
    new.mkdir()
    assert len(sequences.split_cifar10(root=new, verify=False)) == 5
    assert asked == [
        (
            "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
            "cifar-10-python.tar.gz",
            "c58f30108f718f92721af3b95e74349a",
        )
    ]


@pytest.mark.parametrize("keep", [0, 3, 10, 1000])
def test_damaged_images_name_their_file(keep, root):
    file = root / "MNIST/raw/t10k-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"t10k-images-idx3-ubyte is damaged: it .*Delete it and call again"):
        sequences.permuted_mnist(root=root)


@pytest.mark.parametrize("keep", [0, 100, 5000])
def test_damaged_batches_name_their_file(keep, root):
    file = root / "cifar-10-batches-py/test_batch"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"test_batch is damaged: .*Delete it and call again"):
        sequences.split_cifar10(root=root, verify=False)


def test_nothing_in_a_batch_is_run(root, tmp_path):
    class Attack:
        def __reduce__(self):
            return Path.touch, (tmp_path / "run",)

    for attack in (pickle.dumps({"data": Attack()}, protocol=2), b"cos\nsystem\n(S'touch x'\ntR.", pickle.dumps(eval)):
        (root / "cifar-100-python/train").write_bytes(attack)
        with pytest.raises(ValueError, match="has no place in a file of images"):
            sequences.split_cifar100(root=root, verify=False)
    assert not (tmp_path / "run").exists()


def test_the_root_is_given_or_in_the_environment_or_data(monkeypatch):
    monkeypatch.delenv("CLTOOLKIT_DATA", raising=False)
    assert chosen_root(None) == Path("data")
    monkeypatch.setenv("CLTOOLKIT_DATA", "/somewhere")
    assert chosen_root(None) == Path("/somewhere")
    assert chosen_root("here") == Path("here")


def test_every_benchmark_shares_its_settings():
    for name in sequences.names():
        parameters = inspect.signature(vars(sequences)[name]).parameters
        assert {"order", "scenario", "validation", "seed"} <= set(parameters)


# Readers


@pytest.mark.parametrize("shape", [(0,), (7,), (3, 4), (2, 3, 4)])
def test_idx_files_are_read_whole(shape):
    assert torch.equal(read_idx(idx(draw(*shape))), torch.from_numpy(draw(*shape)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "does not begin"),
        (b"\0\0\x0d\x01\0\0\0\0", "does not begin"),
        (b"\0\0\x08\x03\0\0", "does not begin"),
        (idx(draw(4, 4))[:-1], "announces 16 bytes of data and holds 15"),
        (idx(draw(4, 4)) + b"x", "holds 17"),
    ],
)
def test_other_files_are_no_idx_files(content, message):
    with pytest.raises(ValueError, match=message):
        read_idx(content)


def test_published_batches_are_read():
    read = read_batch(PUBLISHED)
    assert read.pop("data").tolist() == [[0, 1, 127], [128, 254, 255]]
    assert read == {"labels": [5, 300], "batch_label": "test"}


def test_the_published_names_of_cifar10_are_read():
    """The very file: `batches.meta` is short enough to stand here, and its checksum proves it."""
    words = b"airplane automobile bird cat deer dog frog horse ship truck".split()
    names = b"".join(b"U" + bytes([len(w)]) + w + b"q" + bytes([5 + i]) for i, w in enumerate(words))
    meta = (
        b"\x80\x02}q\x01(U\x13num_cases_per_batchq\x02M\x10'U\x0blabel_namesq\x03]q\x04("
        + names
        + b"eU\x07num_visq\x0fM\x00\x0cu."
    )
    assert hashlib.md5(meta, usedforsecurity=False).hexdigest() == _sources._CIFAR10["batches.meta"]
    assert read_batch(meta)["label_names"] == [w.decode() for w in words]


def test_batches_are_read_as_pickle_reads_them():
    entries = {
        "data": draw(7, 5),
        "labels": [0, 1, 255, 256, 70000, 3, 4],
        "nothing": None,
        "text": ["a", "ü"],
        "whole": True,
    }
    read = read_batch(batch(entries))
    assert torch.equal(read.pop("data"), torch.from_numpy(entries.pop("data")))
    assert read == entries


@pytest.mark.parametrize(
    "content",
    [pickle.dumps([1], 3), pickle.dumps({"data": np.zeros((2, 2), order="F")}, 3), b"\x80\x02.", b"}", b"\x80\x02u."],
)
def test_other_pickles_are_no_batches(content):
    with pytest.raises(ValueError):  # noqa: PT011 - each says something else
        read_batch(content)


# On the real files


def test_real_mnist(data_root):
    made = sequences.split_mnist(root=data_root, validation=0, download=False)
    counts = {c: n for t in made for c, n in zip(t.classes, torch.bincount(t.train.y).tolist(), strict=True)}
    assert counts == {0: 5923, 1: 6742, 2: 5958, 3: 6131, 4: 5842, 5: 5421, 6: 5918, 7: 6265, 8: 5851, 9: 5949}
    assert sum(len(t.test) for t in made) == 10_000
    pixels = torch.cat([t.train.x for t in made]).float() / 255
    assert pixels.mean() == pytest.approx(0.1307, abs=1e-4)
    assert pixels.std() == pytest.approx(0.3081, abs=1e-4)


def test_real_cifar100(data_root):
    made = sequences.split_cifar100(root=data_root, validation=0, download=False, verify=False)
    assert [len(t.classes) for t in made] == [10] * 10
    assert made[0].classes[0] == "apple"
    x = torch.cat([t.train.take(torch.arange(len(t.train)))[0] for t in made])
    assert_close(x.mean((0, 2, 3)), torch.zeros(3), rtol=0, atol=0.01)
    assert_close(x.std((0, 2, 3)), torch.ones(3), rtol=0, atol=0.01)


def test_superclasses_are_those_of_the_published_files(data_root):
    """The files hold a coarse label beside each fine one; the builder reads the fine ones alone."""
    meta, test = (read_batch((data_root / "cifar-100-python" / name).read_bytes()) for name in ("meta", "test"))
    fine, coarse = meta["fine_label_names"], meta["coarse_label_names"]
    pairs = {
        (coarse[c].replace("_", " "), fine[f]) for f, c in zip(test["fine_labels"], test["coarse_labels"], strict=True)
    }
    assert pairs == {(name, one) for name, chosen in SUPERCLASSES.items() for one in chosen}
    assert list(SUPERCLASSES) == [name.replace("_", " ") for name in coarse]
    made = sequences.cifar100_superclasses(root=data_root, validation=0, download=False, verify=False)
    assert [(len(task.train), len(task.test)) for task in made] == [(2500, 500)] * 20
