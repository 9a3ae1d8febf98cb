"""Muon and the trainer's vector of parameters, on the CPU.

  pytest test_muon.py
"""

from types import SimpleNamespace

import pytest
import torch
from demucs.htdemucs import HTDemucs

import checkpoint
import muon
import train


def trainer(out, **changed):
    given = dict(
        seed=1, channels=16, t_layers=1, optimiser="muon", lr=1e-3, hold=0.5, decay=0.02, init=None, resume=False, out=out,
        seconds=100.0, warmup=1, ema=0.99, batch=1, floor=0.1, floor_end=0.1, floor_hold=0.5, frozen=[],
    )  # fmt: skip
    return train.Trainer(SimpleNamespace(**given | changed))


def one_example(seed, frames=4096):
    generator = torch.Generator().manual_seed(seed)
    stems = torch.randn(1, 6, 2, frames, generator=generator) * torch.tensor([1.0, 0.5, 0.3, 0.7, 0.4, 0.2]).view(1, 6, 1, 1)
    stems /= stems.sum(1).std()
    return stems.sum(1), stems


@pytest.mark.parametrize("shape", [(3, 24, 24), (2, 96, 384), (2, 384, 96), (1, 48, 432)])
@pytest.mark.parametrize("spread", [0.0, 2.0])
def test_an_orthogonalised_matrix_has_singular_values_near_one_and_keeps_its_directions(shape, spread):
    """`spread`: decades of size between the largest and the smallest singular value of what is given."""
    torch.manual_seed(0)
    rank = min(shape[1:])
    u, v = (torch.linalg.qr(torch.randn(shape[0], side, rank))[0] for side in shape[1:])
    x = u * torch.logspace(0, -spread, rank) * 1e-4 @ v.mT
    y = muon.orthogonal(x).float()
    y = y.mT if shape[1] > shape[2] else y
    got = torch.einsum("nri,nrc,nci->ni", u, y, v)  # singular values, if the directions are those of x
    assert 0.6 < got.min() and got.max() < 1.3
    assert torch.linalg.svdvals(y).max() < 1.3


def test_no_gradient_moves_nothing():
    assert torch.equal(muon.orthogonal(torch.zeros(2, 24, 48)), torch.zeros(2, 24, 48, dtype=torch.bfloat16))


def test_which_weights_are_matrices():
    model = HTDemucs(**checkpoint.settings())
    params, groups = muon.arranged(model)
    assert {id(p) for p in params} == {id(p) for p in model.parameters()} and len(params) == len(list(model.parameters()))
    shapes = {(rows, columns): n for rows, columns, n in groups}
    layers = model.crosstransformer.num_layers * 2
    assert shapes[768, 192] == layers  # linear1
    assert shapes[192, 768] == layers + 4  # linear2; the deepest strided kernels, 192 to or from 96 channels and 8 taps
    assert shapes[192, 192] == layers * 4 + 4  # queries, keys, values, output; value and gate of two rewrites
    assert all(min(rows, columns) >= muon.LEAST_SIDE for rows, columns, _ in groups)
    trained = sum(rows * columns * n for rows, columns, n in groups)
    assert trained > 0.95 * checkpoint.parameters(model)
    rest = {id(p) for p in params[-(len(params) - sum(id(p) in matrices_of(model) for p in params)) :]}
    named = dict(model.named_parameters())
    for name in muon.edges(model):
        assert id(named[name]) in rest
    assert all(id(p) in rest for p in named.values() if p.dim() == 1)
    assert muon.arranged(model, wanted=False)[1] == []


def matrices_of(model):
    outer = muon.edges(model)
    return {id(p) for name, p in model.named_parameters() if name not in outer and muon.matrix(name, p)}


def test_queries_keys_and_values_are_three_matrices_in_place(tmp_path):
    t = trainer(tmp_path)
    weight = t.model.crosstransformer.layers[0].self_attn.in_proj_weight
    size = weight.shape[1]
    views = next(v for v in t.muon.matrices(t.flat) if v.shape[1:] == (size, size))
    places = [v.data_ptr() for v in views]
    for part in weight.split(size):
        at = places.index(part.data_ptr())
        assert torch.equal(views[at], part)


@pytest.mark.parametrize("optimiser", ["muon", "adamw"])
def test_parameters_and_averages_stay_views_of_their_vectors(tmp_path, optimiser):
    t = trainer(tmp_path, optimiser=optimiser)
    before = {k: v.clone() for k, v in t.model.state_dict().items()}
    t.one_step(*one_example(0))
    for model, flat in ((t.model, t.flat), (t.average, t.flat_average)):
        assert all(p.untyped_storage().data_ptr() == flat.untyped_storage().data_ptr() for p in model.parameters())
        assert sum(p.numel() for p in model.parameters()) <= flat.numel()
        assert float(sum(p.detach().double().sum() for p in model.parameters())) == pytest.approx(float(flat.double().sum()), rel=1e-6)
    moved = {k for k, v in t.model.state_dict().items() if not torch.equal(v, before[k])}
    assert moved >= {name for name, p in t.model.named_parameters() if p.dim() > 1}
    assert (t.muon.places > 0) == (optimiser == "muon")


def test_a_matrix_moves_along_the_gradient_in_orthogonal_steps_of_adams_size(tmp_path):
    """The leading directions only: a short example's gradient has no others."""
    t = trainer(tmp_path, decay=0.0)
    weight = t.model.crosstransformer.layers[0].linear1.weight
    before = weight.detach().clone()
    t.one_step(*one_example(0))
    grad = t.flat.grad[(weight.data_ptr() - t.flat.data_ptr()) // 4 :][: weight.numel()].view_as(weight)
    step = (before - weight.detach()) / t.learning_rate() / (muon.ADAMS_SIZE * max(weight.shape) ** 0.5)
    u, sizes, v = torch.linalg.svd(grad, full_matrices=False)
    assert sizes[11] < 0.5 * sizes[0], "a gradient that is orthogonal already would show nothing"
    along = torch.einsum("ri,rc,ic->i", u, step, v)[:12]
    assert 0.6 < along.min() and along.max() < 1.3
    assert torch.linalg.svdvals(step).max() < 1.3


@pytest.mark.parametrize("optimiser", ["muon", "adamw"])
def test_frozen_parameters_stay_to_the_last_bit_and_the_rest_learns(tmp_path, optimiser):
    t = trainer(tmp_path, optimiser=optimiser, lr=5e-3, frozen=["crosstransformer", "encoder.0"])
    before = {k: v.clone() for k, v in t.model.state_dict().items()}
    losses = [float(t.one_step(*one_example(0))) for _ in range(6)]
    assert losses[-1] < losses[0] - 0.01
    for model in (t.model, t.average):
        moved = {k for k, v in model.state_dict().items() if not torch.equal(v, before[k])}
        kept = {k for k in before if k.startswith(("crosstransformer", "encoder.0"))}
        assert not moved & kept and moved >= {k for k, p in model.named_parameters() if p.dim() > 1} - kept


def test_a_prefix_that_freezes_nothing_or_everything_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no parameter's name begins so"):
        trainer(tmp_path, frozen=["transformer"])
    with pytest.raises(ValueError, match="nothing to train"):
        trainer(tmp_path, frozen=[""])


@pytest.mark.parametrize("optimiser", ["muon", "adamw"])
def test_a_few_steps_lower_the_loss(tmp_path, optimiser):
    t = trainer(tmp_path, optimiser=optimiser, lr=5e-3)
    losses = [float(t.one_step(*one_example(0))) for _ in range(6)]
    assert losses[-1] < losses[0] - 0.01


def test_a_resumed_trainer_takes_the_same_step(tmp_path):
    first = trainer(tmp_path)
    for _ in range(3):
        first.one_step(*one_example(0))
    first.save()
    again = trainer(tmp_path, resume=True, seed=2)
    assert again.step == first.step and torch.equal(again.muon.momentum, first.muon.momentum)
    for t in (first, again):
        t.one_step(*one_example(1))
    assert torch.equal(first.flat, again.flat) and torch.equal(first.flat_average, again.flat_average)


def test_the_learning_rate_warms_up_holds_and_falls_in_a_line(tmp_path):
    t = trainer(tmp_path, warmup=10, hold=0.5, seconds=100.0, lr=1.0)
    rates = []
    for t.step, t.elapsed in [(0, 0.0), (9, 1.0), (50, 50.0), (75, 75.0), (100, 100.0), (101, 101.0)]:
        rates.append(t.learning_rate())
    assert rates == pytest.approx([0.1, 1.0, 1.0, 0.5, 0.0, 0.0])
    t = trainer(tmp_path, hold=1.0, warmup=1, lr=1.0)
    t.elapsed = 99.0
    assert t.learning_rate() == 1.0
