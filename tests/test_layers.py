"""The drawing in CONTRIBUTING.md, held: imports point down, heavy ones stay in their rooms, importing does nothing."""

import ast
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "cltoolkit"

LAYERS = {
    -1: ("randomness", "recipes", "devices", "files"),  # the ground: no idea of continual learning in it
    0: ("tasks", "params", "metrics"),
    1: ("records", "hypernetworks", "intervals", "embeddings", "sequences", "networks"),
    2: ("transferability", "groups"),
    3: ("masks",),
    4: ("learners",),
    5: ("training",),
    6: ("orders", "audits", "sweeps"),
    7: ("plots",),
    8: ("widgets", "reports", "notebooks"),
    9: ("cli",),
}
DOORS = ("__init__", "__main__")  # they open every room, and no room opens them
LAYER = {room: layer for layer, rooms in LAYERS.items() for room in rooms}
ONLY_IN = {"matplotlib": "plots", "seaborn": "plots", "ipywidgets": "widgets", "anywidget": "widgets"}
UNSAFE_MODULES = {"pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
UNSAFE_CALLS = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "torch.load",
    "torch.save",
    "torch.jit.load",
    "pandas.read_pickle",
}
LATE = ("matplotlib", "seaborn", "torchvision", "sklearn", "scipy", "pandas", "ipywidgets", "IPython", "transformers")


@dataclass(frozen=True)
class Module:
    """One file of the package, parsed."""

    path: Path
    tree: ast.Module

    @property
    def room(self):
        return self.path.relative_to(PACKAGE).parts[0].removesuffix(".py")

    def where(self, node):
        return f"cltoolkit/{self.path.relative_to(PACKAGE).as_posix()}:{node.lineno}"

    def imports(self):
        """Every import in the file, in functions too, as (node, absolute dotted name); `from a import b` is a.b."""
        package = ("cltoolkit", *self.path.relative_to(PACKAGE).parts[:-1])
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                above = package[: len(package) - node.level + 1] if node.level else ()
                base = ".".join((*above, *filter(None, [node.module])))
                yield from ((node, f"{base}.{alias.name}") for alias in node.names)

    def calls(self):
        """Every call of a plainly named function: (node, dotted name), with local names of imported things resolved."""
        names = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                names.update({alias.asname: alias.name for alias in node.names if alias.asname})
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call) and (name := dotted(node.func)):
                first, _, rest = name.partition(".")
                yield node, ".".join(filter(None, [names.get(first, first), rest]))


def dotted(node):
    """`a.b.c` of a chain of attributes, None of anything else."""
    if isinstance(node, ast.Attribute):
        return (base := dotted(node.value)) and f"{base}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else None


def parse(path):
    return Module(path, ast.parse(path.read_text(encoding="utf-8"), str(path)))


MODULES = [parse(path) for path in sorted(PACKAGE.rglob("*.py"))]
DRAWING = "\n".join(f"  {layer:2}  {'  '.join(rooms)}" for layer, rooms in sorted(LAYERS.items(), reverse=True))


def report(problems, advice):
    """Fails with every place at once, and with what to do."""
    if problems:
        pytest.fail("\n".join(["", *problems, "", advice]), pytrace=False)


def broken_rule(room, target):
    """What is wrong with an import from one room of `cltoolkit.<target>`, None if nothing is."""
    if target == room or room in DOORS:
        return None
    if target not in LAYER:
        return "imports from the door of the package, which imports this room; import from the room that holds the name"
    if LAYER[target] > LAYER[room]:
        return f"imports {target} (layer {LAYER[target]}) from {room} (layer {LAYER[room]}): imports point down only"
    if LAYER[target] == LAYER[room]:
        return f"imports {target} from {room}: both are in layer {LAYER[room]}, and neighbors do not import each other"
    return None


def test_every_room_has_a_layer():
    rooms = {module.room for module in MODULES} - set(LAYER) - set(DOORS)
    report(
        [f"cltoolkit/{room} stands in no layer" for room in sorted(rooms)],
        f"Say where it belongs, in LAYERS of this file and in the drawing in CONTRIBUTING.md. The layers:\n{DRAWING}",
    )


def test_imports_point_down():
    problems = []
    for module in MODULES:
        for node, name in module.imports():
            package, _, rest = name.partition(".")
            if package == "cltoolkit" and (problem := broken_rule(module.room, rest.partition(".")[0])):
                problems.append(f"{module.where(node)} {problem}")
    report(
        problems,
        "Move what both rooms need into a lower room, or take it as an argument, so that the caller, who is above, "
        f"hands it over. An import inside a function counts too. The layers:\n{DRAWING}",
    )


BASES = ("_base", "_interval", "_mask_learner")  # the abstract learners


def test_methods_do_not_import_each_other():
    """A file of learners/ that holds a method imports only files that hold none: methods compose ideas."""
    learners = {module.path.stem: module for module in MODULES if module.room == "learners"}
    methods = {name for name, module in learners.items() if name not in BASES and holds_a_learner(module)}
    problems = []
    for name, module in learners.items():
        for node, target in module.imports():
            parts = target.split(".")
            if name != "__init__" and parts[:2] == ["cltoolkit", "learners"] and parts[2] in methods - {name}:
                problems.append(f"{module.where(node)} imports the method {parts[2]}")
    report(
        problems,
        "Put what two methods share into a file of learners/ that holds no method, or into a room of layer 0 or 1.",
    )


def holds_a_learner(module):
    bases = (dotted(base) for node in ast.walk(module.tree) if isinstance(node, ast.ClassDef) for base in node.bases)
    return any(base and base.endswith("Learner") for base in bases)


def test_drawing_libraries_stay_in_their_rooms():
    problems = []
    for module in MODULES:
        for node, name in module.imports():
            library = name.partition(".")[0]
            if module.room != ONLY_IN.get(library, module.room):
                problems.append(f"{module.where(node)} imports {library}, which only {ONLY_IN[library]}/ does")
    report(
        problems,
        "Return the data, as a record or arrays, and draw it in plots/ or widgets/: then it is there without them.",
    )


def test_nothing_is_executed_or_unpickled():
    problems = []
    for module in MODULES:
        for node, name in module.imports():
            if name.partition(".")[0] in UNSAFE_MODULES:
                problems.append(f"{module.where(node)} imports {name}")
        for node, name in module.calls():
            if name in UNSAFE_CALLS or (name == "numpy.load" and not loads_arrays_only(node)):
                problems.append(f"{module.where(node)} calls {name}")
            if name == "importlib.import_module" and module.room not in DOORS:
                problems.append(f"{module.where(node)} imports by name, which hides from this test")
    report(
        problems,
        "Opening a stranger's Run must not run code: keep arrays in safetensors and the rest in JSON; choose functions "
        "from a table, not by evaluating text. numpy.load takes `allow_pickle=False`, spelled out.",
    )


def loads_arrays_only(call):
    """`numpy.load(..., allow_pickle=False)`."""
    return any(word.arg == "allow_pickle" and getattr(word.value, "value", True) is False for word in call.keywords)


IMPORT = f"""
import json, sys, time
import numpy, torch
generators = [torch.random.get_rng_state().tolist(), repr(numpy.random.get_state())]
loaded = set(sys.modules)
opened = []
def listen(event, args):
    code = (".py", ".pyc", ".so", ".pyd", ".dylib", ".zip")  # read by the import itself
    if event == "open" and isinstance(args[0], str) and not args[0].endswith(code):
        opened.append(args[0])
sys.addaudithook(listen)
threads, begin = torch.get_num_threads(), time.process_time()
import cltoolkit
print(json.dumps({{
    "seconds": time.process_time() - begin,
    "opened": opened,
    "late": [name for name in {LATE!r} if name in set(sys.modules) - loaded],
    "generators": generators == [torch.random.get_rng_state().tolist(), repr(numpy.random.get_state())],
    "cuda": torch.cuda.is_initialized(),
    "threads": threads == torch.get_num_threads(),
}}))
"""


def imported():
    """What a fresh interpreter sees of `import cltoolkit`, once torch is there."""
    out = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    return json.loads(out.stdout)


@pytest.fixture(scope="module")
def first_import():
    return imported()


def test_import_loads_nothing_heavy(first_import):
    assert first_import["late"] == [], "import these inside the functions that need them"


def test_import_touches_nothing(first_import):
    assert first_import["generators"], "importing cltoolkit drew from a global generator"
    assert first_import["opened"] == [], "importing cltoolkit opened these files"
    assert first_import["threads"], "importing cltoolkit changed the number of threads"
    assert not first_import["cuda"], "importing cltoolkit touched a device"


def test_import_is_quick(first_import):
    """Half a second of the processor at most beyond torch; three tries, since other programs empty its caches."""
    seconds = first_import["seconds"]
    for _ in range(2):
        seconds = seconds if seconds <= 0.5 else imported()["seconds"]
    assert seconds <= 0.5
