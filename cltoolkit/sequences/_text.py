"""Text classification as a sequence of tasks."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor

from ..recipes import recipe
from ..tasks import Examples, Scenario, TaskSequence
from ._codes import Label, coded, recoded
from ._groups import Classes, named
from ._parts import Labelled, Plan, Transform, assemble
from ._text_files import Fields, Texts, default_name, parts_of, read, regrouped
from ._tokens import HashedTokens

__all__ = ["Encoder", "from_text"]

Encoder = Callable[[Sequence[str]], Tensor]
Source = Any  # (texts, labels), a data frame, a path, or a mapping of parts to these
Tasks = Sequence[str | os.PathLike[str]] | Sequence[Source] | Mapping[str, Source]


@recipe
def from_text(
    tasks: Tasks,
    *,
    encoder: Encoder | None = None,
    dim: int | None = None,
    length: int | None = None,
    text: str = "text",
    label: str = "label",
    groups: Mapping[str, Mapping[str, Sequence[Label]]] | None = None,
    classes: Classes | None = None,
    classes_per_task: int | Sequence[int] | None = None,
    names: Sequence[str] | None = None,
    test_fraction: float = 0.2,
    order: Sequence[int] | None = None,
    scenario: Scenario = "task",
    validation: float = 0.1,
    seed: int = 0,
) -> TaskSequence:
    """A sequence of texts with labels, inputs `(d, length)` as `networks.text_cnn` takes them.

    Each task brings its texts, as

    - `(texts, labels)`, two lists;
    - a data frame with columns for both;
    - the path of a `.jsonl` or `.jsonl.gz` file, a line of which is `{"text": "rain again", "label": "weather"}`;
    - `{"train": ..., "test": ..., "validation": ...}` of any of these, where validation, and with a `test_fraction`
      test too, may be left out;
    - the path of such files without their endings: "news" stands for `news.train.jsonl`, `news.test.jsonl` and, if
      there is one, `news.val.jsonl`, or for `train.jsonl` and so on in the folder `news`.

    Texts are encoded once, before training. With the default encoder a text is kept as numbers of words, four bytes
    each, and their vectors are looked up by the batch.

    Args:
        tasks: the tasks by name, or a list of them; with `classes` or `classes_per_task`, one of the forms above, whose
            classes are dealt out to tasks.
        encoder: a function of texts that returns `(n, length, d)`, or `(n, d)` for networks like `mlp`: a frozen model
            such as `HuggingFace`, or your own. It is called with all texts of a part at once; `Cached` keeps what it
            returns. By default `HashedTokens`.
        dim: d of the default encoder, 128 if not given.
        length: words of a text that the default encoder keeps, 64 if not given.
        text: what the texts are called in data frames and files.
        label: what the labels are called there. They are whole numbers or strings, and kept as the tasks' `classes`.
        groups: for the tasks named, groups of labels that are one class each: `{"clinc": {"travel": ["visa", ...]}}`.
        classes: as in `from_arrays`, such as `{"travel": ["visa", ...], "work": [...]}` for a task of each domain.
        classes_per_task: as in `from_arrays`.
        names: of the tasks; otherwise those of the mapping, or of the files.
        test_fraction: of each class, where no test texts are given.
        order: in which order the tasks come; a part of them is allowed.
        scenario: "task", "domain" or "class", see `TaskSequence.as_scenario`.
        validation: fraction of each class's training texts that is set apart, where there are none for it; 0 for none.
        seed: draws the test and validation parts.

    Returns:
        The sequence. It has a recipe if all is from files and the encoder is the default one.

    Raises:
        FileNotFoundError: if a file does not exist.
        ValueError: if a file is damaged, a text empty, a label unknown (the error names the line), or a task cannot be
            learned.

    Example:
        >>> mood = ["what a joy", "so glad", "how sad", "a dull day"] * 5, ["good", "good", "bad", "bad"] * 5
        >>> talk = ["is it so", "who knows", "it is", "they know"] * 5, ["ask", "ask", "say", "say"] * 5
        >>> from_text({"mood": mood, "talk": talk}, dim=16, length=8)
        texts: 2 tasks, scenario 'task', inputs (16, 8), 2 output units
          0  mood: bad→0, good→1  (14 / 2 / 4 train / validation / test)
          1  talk: ask→0, say→1  (14 / 2 / 4 train / validation / test)
    """
    plan = Plan(scenario, order, test_fraction, validation, seed)
    encode = _chosen(encoder, dim, length)
    fields = Fields(text, label)
    if classes is not None or classes_per_task is not None:
        (data,) = _labelled([_read("the texts", _one(tasks), fields, None)], encode)
        title = default_name(_one(tasks)) or "texts"
        return assemble(
            data, plan, classes=classes, classes_per_task=classes_per_task, task_ids=None, names=names, title=title
        )
    sources = _several(tasks, names)
    _check_groups(groups, sources)
    found = [_read(f"task {name!r}", source, fields, (groups or {}).get(name)) for name, source in sources.items()]
    made = [plan.task(name, data) for name, data in zip(sources, _labelled(found, encode), strict=True)]
    return plan.sequence(made, "texts")


def _chosen(encoder: Encoder | None, dim: int | None, length: int | None) -> Encoder:
    if encoder is None:
        plain = HashedTokens()
        return HashedTokens(plain.dim if dim is None else dim, plain.length if length is None else length)
    if dim is not None or length is not None:
        raise ValueError("an encoder of your own has its own sizes; leave out dim and length")
    return encoder


def _one(tasks: Tasks) -> Source:
    """The only source, whose classes form the tasks."""
    return tasks[0] if isinstance(tasks, list) and len(tasks) == 1 else tasks


def _several(tasks: Tasks, names: Sequence[str] | None) -> dict[str, Source]:
    """Each task's source by its name."""
    single = isinstance(tasks, str | os.PathLike) or (isinstance(tasks, Mapping) and set(tasks) & {"train", "test"})
    if single or not isinstance(tasks, Mapping | Sequence) or not tasks:
        raise ValueError(
            "expected several tasks, as a mapping of names or a list; got "
            f"{'one' if single else type(tasks).__name__ if tasks is not None else None}. "
            "To deal out its classes to tasks, say classes_per_task=2 or classes=..."
        )
    sources = list(tasks.values()) if isinstance(tasks, Mapping) else list(tasks)
    default = (
        list(tasks) if isinstance(tasks, Mapping) else [default_name(s) or f"task {t}" for t, s in enumerate(sources)]
    )
    titles = default if names is None else named(names, [()] * len(sources))
    twice = sorted({title for title in titles if titles.count(title) > 1})
    if twice:
        raise ValueError(
            f"expected every task to have a name of its own; {twice[:5]} occur more than once; give names="
        )
    return dict(zip(titles, sources, strict=True))


def _check_groups(groups: Mapping[str, Any] | None, sources: Mapping[str, Source]) -> None:
    strange = sorted(set(groups or {}) - set(sources))
    if strange:
        raise ValueError(f"groups are given for {strange}; the tasks are {list(sources)}")


def _read(
    what: str, source: Source, fields: Fields, groups: Mapping[str, Sequence[Label]] | None
) -> tuple[str, dict[str, Texts]]:
    """What an error calls the texts, and the texts by part."""
    try:
        parts = {part: read(own, fields) for part, own in parts_of(source).items()}
        return what, parts if groups is None else {part: regrouped(data, groups) for part, data in parts.items()}
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from error


def _labelled(found: Sequence[tuple[str, Mapping[str, Texts]]], encode: Encoder) -> list[Labelled]:
    """Encoded texts and positions of labels, for each task; labels are checked before anything is encoded."""
    positions = [_positions(what, parts) for what, parts in found]
    stored, transform = _encoded([data.texts for _, parts in found for data in parts.values()], encode)
    inputs = iter(stored)
    return [
        Labelled({part: Examples(next(inputs), y[part], transform) for part in parts}, labels)
        for (_, parts), (y, labels) in zip(found, positions, strict=True)
    ]


def _positions(what: str, parts: Mapping[str, Texts]) -> tuple[dict[str, Tensor], tuple[Label, ...]]:
    """Positions of the labels by part, and the labels; training texts say which there are."""
    try:
        codes, labels = coded(parts["train"].labels)
        others = {part: data.labels for part, data in parts.items() if part != "train"}
        return {"train": codes} | {part: recoded(own, labels, f"{part} labels") for part, own in others.items()}, labels
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from error


def _encoded(collections: Sequence[Sequence[str]], encode: Encoder) -> tuple[list[Tensor], Transform | None]:
    """What is stored of each collection of texts, and what makes inputs of it."""
    if isinstance(encode, HashedTokens):
        return encode.indexed(collections)
    stored = [_checked(encode(texts), len(texts)) for texts in collections]
    _same_shapes(stored)
    return stored, _channels_first if stored[0].ndim == 3 else _floats


def _checked(encoded: Any, count: int) -> Tensor:
    if not isinstance(encoded, Tensor) or not encoded.is_floating_point():
        kind = encoded.dtype if isinstance(encoded, Tensor) else type(encoded).__name__
        raise ValueError(f"expected an encoder that returns a tensor of floats; got {kind}")
    if encoded.ndim not in (2, 3) or len(encoded) != count:
        raise ValueError(
            f"expected encodings ({count}, length, d) or ({count}, d) of {count} texts; got {tuple(encoded.shape)}"
        )
    return encoded.detach().cpu()


def _same_shapes(stored: Iterable[Tensor]) -> None:
    shapes = list(dict.fromkeys(tuple(x.shape[1:]) for x in stored))
    if len(shapes) > 1:
        raise ValueError(
            f"expected encodings of one shape; the encoder gave {shapes[0]} and {shapes[1]}. Pad texts to one length."
        )


def _channels_first(x: Tensor) -> Tensor:
    """`(b, length, d)` in any precision to `(b, d, length)` float32."""
    return x.float().transpose(1, 2)


def _floats(x: Tensor) -> Tensor:
    return x.float()
