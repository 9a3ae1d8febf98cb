"""One step of the trainer, its vectors, its schedule, on the CPU."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from conftest import one_example

from sextet_train.optim import muon
from sextet_train.train.trainer import LAST


def test_queries_keys_and_values_are_three_matrices_in_place(
    trainer: Callable[..., Any],
) -> None:
    t = trainer()
    weight = t.model.crosstransformer.layers[0].self_attn.in_proj_weight
    size = weight.shape[1]
    views = next(v for v in t.muon.matrices(t.vector.values) if v.shape[1:] == (size, size))
    places = [v.data_ptr() for v in views]
    for part in weight.split(size):
        at = places.index(part.data_ptr())
        assert torch.equal(views[at], part)


@pytest.mark.parametrize("optimiser", ["muon", "adamw"])
def test_parameters_and_averages_stay_views_of_their_vectors(
    trainer: Callable[..., Any], optimiser: str
) -> None:
    t = trainer(optimiser=optimiser)
    before = {k: v.clone() for k, v in t.model.state_dict().items()}
    t.one_step(*one_example(0))
    for model, flat in ((t.model, t.vector.values), (t.average, t.average_vector.values)):
        assert all(
            p.untyped_storage().data_ptr() == flat.untyped_storage().data_ptr()
            for p in model.parameters()
        )
        assert sum(p.numel() for p in model.parameters()) <= flat.numel()
        assert float(sum(p.detach().double().sum() for p in model.parameters())) == pytest.approx(
            float(flat.double().sum()), rel=1e-6
        )
    moved = {k for k, v in t.model.state_dict().items() if not torch.equal(v, before[k])}
    assert moved >= {name for name, p in t.model.named_parameters() if p.dim() > 1}
    assert (t.muon.places > 0) == (optimiser == "muon")


def test_a_matrix_moves_along_the_gradient_in_orthogonal_steps_of_adams_size(
    trainer: Callable[..., Any],
) -> None:
    """The leading directions only: a short example's gradient has no others."""
    t = trainer(decay=0.0)
    weight = t.model.crosstransformer.layers[0].linear1.weight
    before = weight.detach().clone()
    t.one_step(*one_example(0))
    grad = t.gradient_step.gradient[(weight.data_ptr() - t.vector.values.data_ptr()) // 4 :][
        : weight.numel()
    ].view_as(weight)
    step = (before - weight.detach()) / t.learning_rate / (muon.ADAM_RMS * max(weight.shape) ** 0.5)
    u, sizes, v = torch.linalg.svd(grad, full_matrices=False)
    assert sizes[11] < 0.5 * sizes[0], "a gradient that is orthogonal already would show nothing"
    along = torch.einsum("ri,rc,ic->i", u, step, v)[:12]
    assert along.min() > 0.6 and along.max() < 1.3
    assert torch.linalg.svdvals(step).max() < 1.3


@pytest.mark.parametrize("optimiser", ["muon", "adamw"])
def test_frozen_parameters_stay_to_the_last_bit_and_the_rest_learns(
    trainer: Callable[..., Any], optimiser: str
) -> None:
    t = trainer(optimiser=optimiser, lr=5e-3, frozen=("crosstransformer", "encoder.0"))
    before = {k: v.clone() for k, v in t.model.state_dict().items()}
    losses = [float(t.one_step(*one_example(0))) for _ in range(6)]
    assert losses[-1] < losses[0] - 0.01
    for model in (t.model, t.average):
        moved = {k for k, v in model.state_dict().items() if not torch.equal(v, before[k])}
        kept = {k for k in before if k.startswith(("crosstransformer", "encoder.0"))}
        assert (
            not moved & kept
            and moved >= {k for k, p in model.named_parameters() if p.dim() > 1} - kept
        )


def test_a_prefix_that_freezes_nothing_or_everything_is_refused(
    trainer: Callable[..., Any],
) -> None:
    with pytest.raises(ValueError, match="no parameter's name begins so"):
        trainer(frozen=("transformer",))
    with pytest.raises(ValueError, match="nothing to train"):
        trainer(frozen=("",))


@pytest.mark.parametrize("optimiser", ["muon", "adamw"])
def test_a_few_steps_lower_the_loss(trainer: Callable[..., Any], optimiser: str) -> None:
    t = trainer(optimiser=optimiser, lr=5e-3)
    losses = [float(t.one_step(*one_example(0))) for _ in range(6)]
    assert losses[-1] < losses[0] - 0.01


def test_a_resumed_trainer_takes_the_same_step(trainer: Callable[..., Any]) -> None:
    first = trainer()
    for _ in range(3):
        first.one_step(*one_example(0))
    first.save()
    again = trainer(resume=True, seed=2)
    assert again.step == first.step and torch.equal(again.muon.momentum, first.muon.momentum)
    stored = torch.load(first.config.out / LAST)["momentum"].untyped_storage()
    assert stored.nbytes() == 4 * first.muon.places, "nothing else is stored with the momentum"
    for t in (first, again):
        t.one_step(*one_example(1))
    assert torch.equal(first.vector.values, again.vector.values) and torch.equal(
        first.average_vector.values, again.average_vector.values
    )


def test_the_learning_rate_warms_up_holds_and_falls_in_a_line(
    trainer: Callable[..., Any],
) -> None:
    t = trainer(warmup=10, hold=0.5, seconds=100.0, lr=1.0)
    rates = []
    for t.step, t.elapsed_s in [
        (0, 0.0),
        (9, 1.0),
        (50, 50.0),
        (75, 75.0),
        (100, 100.0),
        (101, 101.0),
    ]:
        rates.append(t.learning_rate)
    assert rates == pytest.approx([0.1, 1.0, 1.0, 0.5, 0.0, 0.0])
    t = trainer(hold=1.0, warmup=1, lr=1.0)
    t.elapsed_s = 99.0
    assert t.learning_rate == 1.0
