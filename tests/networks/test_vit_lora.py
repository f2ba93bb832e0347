"""A frozen transformer with adapters: torchvision's own to the bit of rounding, and only the adapters are weights."""

import json

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.testing import assert_close

import cltoolkit as cl
from cltoolkit import networks
from cltoolkit.learners import Finetune, HyperNet, Joint, Separate
from cltoolkit.params import Stateless
from cltoolkit.randomness import seeded, stream
from cltoolkit.sequences import from_arrays

pytestmark = pytest.mark.filterwarnings("ignore:the frozen weights of .* are random")
SIZES = {"image_size": 16, "patch_size": 8, "num_layers": 2, "num_heads": 2, "hidden_dim": 16, "mlp_dim": 32}
PLAIN = {"mean": (0, 0, 0), "std": (1, 1, 1)}
SHAPE = (3, 16, 16)


def toy(shape=SHAPE, classes=5, **options):
    return networks.vit_lora(shape, classes, **{"model": "toy", "rank": 2, **options})


def drawn(*shape, key="x"):
    return torch.randn(shape, generator=stream(0, key))


def original(**changes):
    """torchvision's transformer with weights that are all different from zero, and those of a head."""
    from torchvision.models import VisionTransformer

    with seeded(0, "vit"):
        vit = VisionTransformer(**{**SIZES, **changes}, num_classes=5)
        for p in vit.parameters():
            nn.init.normal_(p, std=0.3)
    return vit.eval()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "vit.safetensors"
    save_file(original().state_dict(), path)
    return path


def with_head_of(net, vit):
    net.head.load_state_dict(vit.heads.head.state_dict())
    return net.eval()


def moved(net):
    """The network with adapters that change something."""
    for name, p in net.named_parameters():
        if p.requires_grad:
            p.data.copy_(0.3 * drawn(*p.shape, key=name))
    return net


def frozen(net):
    return {name: p for name, p in net.named_parameters() if not p.requires_grad}


def sequence(shape=(3, 8, 8), tasks=2):
    y = torch.arange(64) % (2 * tasks)
    x = (0.2 * y[:, None] / tasks + 0.3 * torch.rand(64, 3, generator=stream(0, "images")))[:, :, None, None]
    return from_arrays(x.expand(-1, *shape).contiguous(), y, classes_per_task=2)


# It is the transformer that it was


def test_begins_as_torchvisions_own_transformer(file):
    vit, x = original(), drawn(4, *SHAPE)
    net = with_head_of(toy(weights=file, **PLAIN), vit)
    assert_close(net(x), vit(x), rtol=1e-5, atol=1e-5)
    vit.heads = nn.Identity()
    assert_close(net.body(x), vit(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("alpha", [None, 0.5])
@pytest.mark.parametrize(
    "adapt", [("query", "value"), ("key",), ("value", "output"), ("query", "key", "value", "output")]
)
def test_adapters_add_their_product_to_the_weights(file, adapt, alpha):
    vit, x = original(), drawn(4, *SHAPE)
    net = moved(toy(weights=file, adapt=adapt, alpha=alpha, **PLAIN))
    with_head_of(net, vit)
    rows = {"query": slice(0, 16), "key": slice(16, 32), "value": slice(32, 48)}
    for ours, theirs in zip(net.body[1].encoder.layers, vit.encoder.layers, strict=True):
        for name, adapter in ours.self_attention.adapters.items():
            change = (1 if alpha is None else alpha / 2) * adapter.up.data @ adapter.down.data
            weight = theirs.self_attention.in_proj_weight.data
            (theirs.self_attention.out_proj.weight.data if name == "output" else weight[rows[name]]).add_(change)
    assert_close(net(x), vit(x), rtol=1e-4, atol=1e-5)


def test_images_are_resized_and_normalised_as_pretraining_did(file):
    from torchvision.transforms.functional import normalize, resize

    x = torch.rand(4, 3, 40, 24, generator=stream(0, "images"))
    net = toy((3, 40, 24), weights=file)
    plain = toy(weights=file, **PLAIN)
    seen = normalize(resize(x, [16, 16], antialias=True), [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    assert_close(net.body(x), plain.body(seen), rtol=1e-4, atol=1e-5)
    gray = toy((1, 40, 24), weights=file)
    assert_close(gray.body(x[:, :1]), net.body(x[:, :1].expand(-1, 3, -1, -1)), rtol=1e-4, atol=1e-5)


# What is learned


def test_only_adapters_and_head_are_weights():
    net = Stateless(toy())
    per_block = 2 * 2 * 2 * 16
    assert net.size == 2 * per_block + 5 * 16 + 5
    assert net.head_names == ("head.weight", "head.bias")
    assert net.buffers == ()
    assert not set(net.frozen) & set(net.shapes)
    assert net.num_outputs(SHAPE) == 5


def test_the_published_transformer_has_its_published_adapters():
    """ViT-B/16, rank 8 on query and value: 12 blocks · 2 · 2 · 8 · 768. Shapes alone; no memory is filled."""
    with torch.device("meta"):
        net = networks.vit_lora((3, 224, 224), 100)
    sizes = {fast: sum(p.numel() for p in net.body.parameters() if p.requires_grad == fast) for fast in (True, False)}
    assert sizes[True] == 294_912
    assert sizes[False] == 86_567_656 - 768 * 1000 - 1000 + 6  # torchvision's without its head, and mean and std
    assert net.head.in_features == 768


def test_adapters_begin_at_zero_and_the_frozen_part_is_never_drawn():
    net = Stateless(toy())
    params = net.initial(0)
    assert set(params) == set(net.shapes)
    assert not any(value.any() for name, value in params.items() if name.endswith("up"))
    down = next(name for name in params if name.endswith("down"))
    assert not torch.equal(params[down], net.initial(1)[down])
    x = drawn(4, *SHAPE)
    assert_close(net.features(params, x), net.features(net.initial(1), x), rtol=0, atol=0)


def test_gradients_reach_every_adapter_and_nothing_frozen(file):
    net = moved(toy(weights=file))
    net(drawn(4, *SHAPE)).square().sum().backward()
    assert all((p.grad is not None and p.grad.any()) == p.requires_grad for p in net.parameters())


# Under every transformation


def test_runs_on_a_stack_of_weights_with_gradients():
    net, x, y = Stateless(toy()), drawn(4, *SHAPE), torch.tensor([0, 1, 2, 3])
    each = [{n: 0.3 * drawn(*s, key=f"{n}{k}") for n, s in net.shapes.items()} for k in range(3)]
    stacked = {name: torch.stack([params[name] for params in each]) for name in net.shapes}

    def loss(params):
        return nn.functional.cross_entropy(net(params, x), y)

    assert_close(torch.func.vmap(lambda p: net(p, x))(stacked), torch.stack([net(p, x) for p in each]))
    features, _ = torch.func.vmap(lambda p: net.both(p, x))(stacked)
    assert_close(features, torch.stack([net.features(p, x) for p in each]))
    together = torch.func.vmap(torch.func.grad(loss))(stacked)
    apart = [torch.func.grad(loss)(params) for params in each]
    for name in net.shapes:
        assert_close(together[name], torch.stack([g[name] for g in apart]), rtol=1e-4, atol=1e-6)


def test_gradients_of_each_example():
    net, x, y = Stateless(toy((3, 8, 8))), drawn(4, 3, 8, 8), torch.tensor([0, 1, 2, 3])
    params = net.initial(0)

    def loss(params, x, y):
        return nn.functional.cross_entropy(net(params, x[None]), y[None])

    every = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))(params, x, y)
    one = torch.func.grad(loss)(params, x[1], y[1])
    assert_close({n: g[1] for n, g in every.items()}, one, rtol=1e-4, atol=1e-6)


def test_half_precision_lowers_the_forward_pass_alone():
    net, x = Stateless(toy()), drawn(4, *SHAPE)
    params = net.initial(0)
    exact = net(params, x)
    net.precision = torch.bfloat16
    low = net(params, x)
    assert low.dtype == torch.float32
    assert not torch.equal(low, exact)
    assert_close(low, exact, rtol=0.1, atol=0.1)


# Files


def test_the_same_weights_by_timms_names(file, tmp_path):
    def timm(name):
        for theirs, ours in (
            ("class_token", "cls_token"),
            ("encoder.pos_embedding", "pos_embed"),
            ("conv_proj", "patch_embed.proj"),
            ("encoder.ln.", "norm."),
            ("encoder.layers.encoder_layer_", "blocks."),
            ("ln_", "norm"),
            ("self_attention.in_proj_", "attn.qkv."),
            ("self_attention.out_proj", "attn.proj"),
            ("mlp.0", "mlp.fc1"),
            ("mlp.3", "mlp.fc2"),
            ("heads.head", "head"),
        ):
            name = name.replace(theirs, ours)
        return name

    save_file({timm(name): value for name, value in original().state_dict().items()}, tmp_path / "timm.safetensors")
    a, b = toy(weights=file), toy(weights=str(tmp_path / "timm.safetensors"))
    assert_close(frozen(a), frozen(b), rtol=0, atol=0)


def test_the_image_size_is_that_of_the_weights(tmp_path):
    vit = original(image_size=24)
    save_file(vit.state_dict(), tmp_path / "larger.safetensors")
    net = with_head_of(toy(weights=tmp_path / "larger.safetensors", **PLAIN), vit)
    assert_close(net(drawn(4, 3, 24, 24)), vit(drawn(4, 3, 24, 24)), rtol=1e-5, atol=1e-5)


def test_same_network_again_from_its_recipe(file):
    for net in (toy(weights=file, adapt=("key",), alpha=0.5), toy()):
        again = networks.build(json.loads(json.dumps(net.recipe)))
        assert again.recipe == net.recipe
        assert_close(again.state_dict(), net.state_dict(), rtol=0, atol=0)


def test_torchvisions_own_weights_are_asked_for_by_name(monkeypatch):
    """As published: pickled, but nothing is unpickled except tensors, and the checksum holds."""
    from torchvision.models import VisionTransformer, ViT_B_16_Weights

    asked = {}

    def fetch(self, **options):
        asked.update(options, url=self.url)
        with torch.device("meta"):
            return VisionTransformer(**networks._vit_lora.MODELS["vit_b_16"]._asdict()).state_dict()

    monkeypatch.setattr(ViT_B_16_Weights, "get_state_dict", fetch)
    with torch.device("meta"):
        net = networks.vit_lora((3, 32, 32), 10, weights="IMAGENET1K_V1")
    assert asked["url"].endswith("vit_b_16-c867db91.pth")
    assert (asked["check_hash"], asked["weights_only"]) == (True, True)
    assert net.recipe["arguments"]["weights"] == "IMAGENET1K_V1"


def test_weights_that_cannot_be_downloaded_say_how_else(monkeypatch):
    from torchvision.models import ViT_B_16_Weights

    def fail(self, **_):
        raise OSError("no route to host")

    monkeypatch.setattr(ViT_B_16_Weights, "get_state_dict", fail)
    with pytest.raises(OSError, match=r"no route to host.*another machine.*safetensors"):
        networks.vit_lora((3, 32, 32), 10, weights="IMAGENET1K_V1")


def test_random_weights_are_a_matter_of_trials():
    with pytest.warns(RuntimeWarning, match="frozen weights of toy are random.*weights="):
        toy()


def damaged(path):
    path.write_bytes(path.read_bytes()[:1000])


def of_another_width(path):
    save_file(original(hidden_dim=32).state_dict(), path)


def of_more_layers(path):
    save_file(original(num_layers=3).state_dict(), path)


def of_something_else(path):
    save_file({"fc.weight": torch.zeros(2, 2)}, path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (damaged, "damaged or no safetensors file"),
        (of_another_width, r"toy has: .*of another shape, such as class_token \(1, 1, 32\) for \(1, 1, 16\).*model="),
        (of_more_layers, "12 unknown, such as encoder.layers.encoder_layer_2"),
        (of_something_else, r"missing, such as .*; 1 unknown, such as fc.weight.*timm"),
    ],
)
def test_files_that_do_not_fit_are_said(file, spoil, message):
    spoil(file)
    with pytest.raises(ValueError, match=message):
        toy(weights=file)


@pytest.mark.parametrize("suffix", ["pth", "pt", "bin"])
def test_files_that_can_hold_code_are_not_opened(tmp_path, suffix):
    path = tmp_path / f"vit.{suffix}"
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"save_file\(.*'vit.safetensors'"):
        toy(weights=path)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"weights": "nowhere.safetensors"}, FileNotFoundError, "nowhere.safetensors.*publishes none for toy"),
        ({"weights": "IMAGENET1K_V2", "model": "vit_b_16"}, FileNotFoundError, "did you mean 'IMAGENET1K_V1'"),
        ({"model": "vit_b_61"}, ValueError, "did you mean 'vit_b_16'"),
        ({"shape": (2, 16, 16)}, ValueError, "3 channels, or of 1"),
        ({"shape": (16, 16)}, ValueError, r"\(channels, height, width\)"),
        ({"adapt": ("querry",)}, ValueError, r"adapt=\('query', 'value'\)"),
        ({"adapt": "query"}, ValueError, r"adapt=\('query', 'value'\)"),
        ({"adapt": ()}, ValueError, r"adapt=\('query', 'value'\)"),
        ({"rank": 0}, ValueError, "rank from 1 to the width 16"),
        ({"alpha": 0}, ValueError, "alpha above 0"),
        ({"std": (1, 1, 0)}, ValueError, "std above 0"),
    ],
)
def test_what_does_not_fit_is_said(options, error, message):
    with pytest.raises(error, match=message):
        toy(**options)


# Learned by every learner


@pytest.mark.parametrize("make", [Finetune, Separate, Joint, HyperNet])
def test_every_learner_learns_it_and_saves_only_what_it_learned(make, tmp_path):
    net = toy((3, 8, 8), 2)
    before = {name: p.clone() for name, p in frozen(net).items()}
    learner = make(net)
    run = cl.train(learner, sequence(), epochs=1, out=tmp_path / "run", progress=False)
    assert run.status == "finished"
    tensors, _ = learner.state()
    assert not any("in_proj" in name or "pos_embedding" in name for name in tensors)
    assert_close({name: learner.net._fixed.values[name] for name in before}, before, rtol=0, atol=0)
    again = cl.restore(tmp_path / "run")
    x = torch.rand(4, 3, 8, 8, generator=stream(0, "images"))
    for t in range(2):
        assert_close(again.logits(x, t), learner.logits(x, t), rtol=0, atol=0)


def test_a_run_goes_on_with_the_weights_from_their_file_and_says_if_it_is_gone(file, tmp_path):
    whole = sequence(tasks=3)
    learner = HyperNet(toy((3, 8, 8), 2, weights=file), hidden=(8,))
    cl.train(learner, whole[:2], epochs=1, out=tmp_path / "run", progress=False)
    assert sum(f.stat().st_size for f in (tmp_path / "run").rglob("*") if f.is_file()) < 300_000
    cl.resume(tmp_path / "run", sequence=whole, progress=False)
    straight = HyperNet(toy((3, 8, 8), 2, weights=file), hidden=(8,))
    run = cl.train(straight, whole, epochs=1, progress=False)
    assert cl.Run.open(tmp_path / "run").accuracy.tobytes() == run.accuracy.tobytes()
    file.unlink()
    with pytest.raises(FileNotFoundError, match=r"no file of weights at .*vit.safetensors"):
        cl.restore(tmp_path / "run")


@pytest.mark.parametrize("embedding", [0, 1])
def test_a_hypernetwork_begins_with_the_pretrained_features_whatever_the_embedding(file, embedding):
    net = Stateless(toy(weights=str(file)))
    learner = HyperNet(net, hidden=(8,))
    learner.start(seed=0)
    x = drawn(6, *SHAPE)
    assert_close(net.features(learner.starting(embedding), x), net.features(net.initial(0), x), rtol=0, atol=0)
