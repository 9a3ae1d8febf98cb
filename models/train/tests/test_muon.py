"""Muon: which weights are matrices, and what becomes of a gradient."""

from typing import Any

import pytest
import torch
from demucs.htdemucs import HTDemucs

from sextet_train.model import htdemucs
from sextet_train.optim import muon


@pytest.mark.parametrize("shape", [(3, 24, 24), (2, 96, 384), (2, 384, 96), (1, 48, 432)])
@pytest.mark.parametrize("spread", [0.0, 2.0])
def test_an_orthogonalised_matrix_has_singular_values_near_one_and_keeps_its_directions(
    shape: tuple[int, ...], spread: float
) -> None:
    """`spread`: decades between the largest and the smallest singular value of what is given."""
    torch.manual_seed(0)
    rank = min(shape[1:])
    u, v = (torch.linalg.qr(torch.randn(shape[0], side, rank))[0] for side in shape[1:])
    x = u * torch.logspace(0, -spread, rank) * 1e-4 @ v.mT
    y = muon.orthogonal(x).float()
    y = y.mT if shape[1] > shape[2] else y
    got = torch.einsum(
        "nri,nrc,nci->ni", u, y, v
    )  # singular values, if the directions are those of x
    assert got.min() > 0.6 and got.max() < 1.3
    assert torch.linalg.svdvals(y).max() < 1.3


def test_no_gradient_moves_nothing() -> None:
    assert torch.equal(
        muon.orthogonal(torch.zeros(2, 24, 48)), torch.zeros(2, 24, 48, dtype=torch.bfloat16)
    )


def test_which_weights_are_matrices() -> None:
    model: Any = HTDemucs(**htdemucs.settings())
    params, groups = muon.arranged(model)
    assert {id(p) for p in params} == {id(p) for p in model.parameters()} and len(params) == len(
        list(model.parameters())
    )
    shapes = {(rows, columns): n for rows, columns, n in groups}
    layers = model.crosstransformer.num_layers * 2
    assert shapes[768, 192] == layers  # linear1
    assert (
        shapes[192, 768] == layers + 4
    )  # linear2; the deepest strided kernels, 192 to or from 96 channels and 8 taps
    assert (
        shapes[192, 192] == layers * 4 + 4
    )  # queries, keys, values, output; value and gate of two rewrites
    assert all(min(rows, columns) >= muon.LEAST_SIDE for rows, columns, _ in groups)
    trained = sum(rows * columns * n for rows, columns, n in groups)
    assert trained > 0.95 * htdemucs.parameter_count(model)
    rest = {
        id(p) for p in params[-(len(params) - sum(id(p) in matrices_of(model) for p in params)) :]
    }
    named = dict(model.named_parameters())
    for name in muon.outer_weights(model):
        assert id(named[name]) in rest
    assert all(id(p) in rest for p in named.values() if p.dim() == 1)
    assert muon.arranged(model, matrices=False)[1] == []


def matrices_of(model: HTDemucs) -> set[int]:
    outer = muon.outer_weights(model)
    return {
        id(p)
        for name, p in model.named_parameters()
        if name not in outer and muon.matrix_shape(name, p)
    }
