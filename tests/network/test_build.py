"""The network against timm's own FBNetV3, fvcore's counts and plain arithmetic."""

import copy
import json
from dataclasses import replace

import pytest
import timm
import torch

from nars.network import NetworkError, build, build_features, count
from nars.space import Architecture, Head, Stage, Stem


def stages(*rows: tuple[tuple[int, int], tuple[float, float], int, int, int, bool]) -> tuple[Stage, ...]:
    """Rows of kernels and expansions (first, rest), channels, depth, stride, SE."""
    return tuple(
        Stage(
            kernel_first=kernels[0],
            kernel_rest=kernels[1],
            expand_first=expands[0],
            expand_rest=expands[1],
            channels=channels,
            depth=depth,
            stride=stride,
            se=se,
        )
        for kernels, expands, channels, depth, stride, se in rows
    )


D = Architecture(
    resolution=248,
    stem=Stem(channels=24),
    stages=stages(
        ((3, 3), (1, 1), 16, 2, 1, False),
        ((3, 3), (5, 2), 24, 6, 2, False),
        ((5, 3), (4, 3), 40, 5, 2, True),
        ((3, 3), (5, 3), 72, 5, 2, False),
        ((3, 5), (5, 3), 128, 7, 1, True),
        ((3, 5), (6, 5), 208, 6, 2, True),
        ((5, 5), (6, 6), 240, 1, 1, True),
    ),
    head=Head(),
)
G = Architecture(
    resolution=320,
    stem=Stem(channels=32),
    stages=stages(
        ((3, 3), (1, 1), 24, 3, 1, False),
        ((5, 5), (4, 2), 40, 5, 2, False),
        ((5, 5), (4, 3), 56, 5, 2, True),
        ((5, 3), (5, 3), 104, 5, 2, False),
        ((3, 5), (5, 3), 160, 9, 1, True),
        ((3, 5), (6, 5), 264, 7, 2, True),
        ((5, 5), (6, 6), 288, 2, 1, True),
    ),
    head=Head(),
)
PLAIN = Architecture(
    resolution=16,
    stem=Stem(channels=6, stride=1, activation="relu"),
    stages=stages(
        ((3, 3), (1, 1), 6, 1, 1, False), ((3, 5), (3, 2.5), 10, 2, 2, True), ((5, 3), (4, 1), 14, 2, 2, True)
    ),
    head=Head(expand=2, channels=20, activation="swish"),
    in_channels=1,
    classes=10,
)
TINY = replace(PLAIN, stages=(*PLAIN.stages[:2], replace(PLAIN.stages[2], activation="relu6")))


def timm_reference(name: str, **options: object) -> torch.nn.Module:
    torch.manual_seed(0)
    model = timm.create_model(name, **options)
    for module in model.modules():  # statistics off their defaults, so that a swapped batch norm would show
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return model.eval()


@pytest.mark.parametrize(("architecture", "name"), [(D, "fbnetv3_d"), (G, "fbnetv3_g")])
def test_published_models_are_timms(architecture: Architecture, name: str) -> None:
    theirs = timm_reference(name)
    ours = build(architecture, seed=None).eval()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict(), strict=True)
    assert str(ours) == str(theirs)  # every layer's settings
    images = torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        assert torch.equal(ours(images), theirs(images))


def test_backbone_is_timms() -> None:
    theirs = timm_reference("fbnetv3_d", features_only=True)
    classifier = timm_reference("fbnetv3_d")
    theirs.load_state_dict(classifier.state_dict(), strict=False)
    ours = build_features(D, seed=None, weights=classifier.state_dict()).eval()
    assert ours.feature_info.channels() == theirs.feature_info.channels()
    assert ours.feature_info.reduction() == theirs.feature_info.reduction() == [2, 4, 8, 16, 32]
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        for level, expected in zip(ours(images), theirs(images), strict=True):
            assert torch.equal(level, expected)


def test_stochastic_depth_and_dropout_are_timms() -> None:
    ours = build(D, dropout=0.3, stochastic_depth=0.2, seed=0)
    theirs = timm.create_model("fbnetv3_d", drop_rate=0.3, drop_path_rate=0.2)
    assert ours.drop_rate == theirs.drop_rate == 0.3
    assert str(ours) == str(theirs)  # prints the rate of every DropPath


def test_same_seed_same_weights_and_nothing_global() -> None:
    before = torch.get_rng_state()
    one, again, other = (build(TINY, seed=seed).state_dict() for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(one[key], again[key]) for key in one)
    assert not torch.equal(one["blocks.1.0.conv_pw.weight"], other["blocks.1.0.conv_pw.weight"])
    torch.manual_seed(99)  # nor does anything global reach the weights
    assert torch.equal(one["conv_stem.weight"], build(TINY, seed=3).conv_stem.weight)


@pytest.mark.parametrize("stem_stride", [1, 2])
def test_more_than_five_strides_stay_strides(stem_stride: int) -> None:
    strided = stages(*(((3, 3), (2, 2), 8 * i, 2, 2, i % 2 == 0) for i in range(1, 7)))
    deep = Architecture(
        resolution=128, stem=Stem(channels=8, stride=stem_stride), stages=strided, head=Head(expand=2, channels=16)
    )
    levels = build_features(deep, seed=0).eval()
    with torch.inference_mode():
        sizes = [level.shape[-1] for level in levels(torch.zeros(1, 3, 128, 128))]
    reductions = [stem_stride * 2**i for i in range(7)]
    assert levels.feature_info.reduction() == reductions
    assert sizes == [128 // reduction for reduction in reductions]
    assert levels.feature_info.channels() == [8, 8, 16, 24, 32, 40, 96]
    convolutions = [module for module in levels.modules() if isinstance(module, torch.nn.Conv2d)]
    assert all(convolution.dilation == (1, 1) for convolution in convolutions)


def test_selected_levels() -> None:
    levels = build_features(TINY, seed=0, out_indices=(0, 1)).eval()
    with torch.inference_mode():
        assert [tuple(level.shape) for level in levels(torch.zeros(2, 1, 16, 16))] == [(2, 6, 16, 16), (2, 10, 8, 8)]


def test_activations_are_the_architectures() -> None:
    model = build(TINY, seed=0)
    assert type(model.bn1.act) is torch.nn.ReLU
    assert type(model.blocks[0][0].bn1.act) is torch.nn.Hardswish
    assert type(model.blocks[2][0].bn2.act) is torch.nn.ReLU6
    assert type(model.blocks[3][0].bn1.act).__name__ == type(model.act2).__name__ in ("SiLU", "Swish")


def test_widths_are_as_given_but_mid_and_se_widths_round_as_timms() -> None:
    model = build(TINY, seed=0)
    first, second = model.blocks[1]
    assert model.conv_stem.out_channels == 6
    assert (first.conv_pw.out_channels, first.conv_pwl.out_channels) == (24, 10)  # 6 x 3 = 18, up as 16 is 11 % less
    assert second.conv_pw.out_channels == 24  # 10 x 2.5 = 25, and 24 is within 10 %
    assert first.se.conv_reduce.out_channels == 8
    assert type(model.blocks[2][1]).__name__ == "DepthwiseSeparableConv"  # expand_rest is 1


def test_first_padding() -> None:
    quirk = replace(D, stages=(*D.stages[:3], replace(D.stages[3], first_padding=0), *D.stages[4:]))
    model = build(quirk, seed=0).eval()
    with torch.inference_mode():
        x = model.blocks[:3](model.bn1(model.conv_stem(torch.zeros(1, 3, 64, 64))))
        assert model.blocks[3](x).shape[-1] == 3  # (8 - 3) // 2 + 1 instead of 4
    same = replace(TINY, stages=(replace(TINY.stages[0], first_padding=0), *TINY.stages[1:]))
    model = build(same, seed=0).eval()  # stride 1, equal widths: the identity no longer fits and is left out
    assert not model.blocks[0][0].has_skip
    assert model(torch.zeros(1, 1, 16, 16)).shape == (1, 10)


@pytest.mark.parametrize(
    ("architecture", "flops", "weights"), [(D, 644_420_352, 10_237_552), (G, 2_129_656_384, 16_513_648)]
)
def test_counts_are_as_published(architecture: Architecture, flops: int, weights: int) -> None:
    counted = count(build(architecture, seed=0), architecture.resolution, 3)
    assert counted["weights"] == weights
    assert counted["params"] == sum(
        p.numel() for p in timm.create_model(f"fbnetv3_{'d' if architecture is D else 'g'}").parameters()
    )
    # The published FLOPs also count each element that enters an average pool, and 1,984: 0.20 to 0.31 % more.
    assert 0.0020 <= 1 - counted["flops"] / flops <= 0.0031


def test_a_description_survives_json() -> None:
    again = Architecture.from_dict(json.loads(json.dumps(TINY.to_dict())))
    assert str(build(again, seed=0)) == str(build(TINY, seed=0))


def test_timms_tools_work() -> None:
    model = build(TINY, seed=0).eval()
    assert timm.data.resolve_model_data_config(model)["input_size"] == (1, 16, 16)
    images = torch.randn(2, 1, 16, 16)
    with torch.inference_mode():
        assert model.forward_features(images).shape == (2, 28, 4, 4)
        assert torch.equal(model.as_sequential().eval()(images), model(images))
        taps = model.forward_intermediates(images, intermediates_only=True)
    assert [tap.shape[1] for tap in taps] == [6, 10, 28]
    twin = copy.deepcopy(model)
    twin.reset_classifier(3)
    assert twin(images).shape == (2, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stem": Stem(channels=8, stride=4)}, r"stem\.stride must lie in 1 \.\. 2, got 4"),
        ({"stages": ()}, "at least one stage"),
        ({"classes": 0}, "classes must be at least 1, got 0"),
        ({"stages": stages(((4, 3), (2, 2), 8, 1, 2, False))}, r"stage1\.kernel_first kernels are odd"),
        (
            {"stages": stages(((3, 3), (0.5, 2), 8, 1, 2, False))},
            r"stage1\.expand_first must lie in 1 \.\. 32, got 0\.5",
        ),
        ({"stages": stages(((3, 3), (2, 2), 8, 0, 2, False))}, r"stage1\.depth"),
        ({"stages": (replace(TINY.stages[0], activation="tanh"),)}, r"stage1\.activation takes one of hard_swish"),
        (
            {"resolution": 2, "stages": (replace(TINY.stages[2], first_padding=0),)},
            "5x5 convolution with padding 0 leaves nothing of a 2x2 feature map",
        ),
    ],
)
def test_impossible_networks_say_why(change: dict[str, object], message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        build(replace(TINY, **change), seed=0)
