"""Muon: momentum whose direction is made orthogonal, for the model's matrices.

Keller Jordan, "Muon: An optimizer for hidden layers in neural networks", 2024
(https://kellerjordan.github.io/posts/muon/): formula, coefficients, Nesterov's form. The update is
scaled to the size of Adam's, so that learning rates for Adam hold: Liu et al., "Muon is Scalable
for LLM Training", 2025 (arXiv:2502.16982), section 2.2.

All parameters are one vector; matrices of one shape lie side by side in it (`arranged`), so that
they are a view [n, rows, columns] and every product of the iteration is one call for all of them.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import torch

from sextet_train.optim.parameter_vector import ALIGNMENT

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
MOMENTUM = 0.95
ADAM_RMS = 0.2  # root mean square of an entry of Adam's update, in learning rates
LEAST_SIDE = 24  # of a matrix, below which the choice of its directions is not worth the calls


class Group(NamedTuple):
    """`count` matrices of one shape."""

    rows: int
    columns: int
    count: int

    @property
    def places(self) -> int:
        """Places of the vector that the group takes."""
        return self.rows * self.columns * self.count


def outer_weights(model: torch.nn.Module) -> set[str]:
    """Names of the weights that meet signals or positions: first and last layers, the embedding."""
    last = len(model.get_submodule("decoder")._modules) - 1
    layers = [
        "encoder.0.conv",
        "tencoder.0.conv",
        f"decoder.{last}.conv_tr",
        f"tdecoder.{last}.conv_tr",
        "freq_emb.embedding",
    ]
    return {f"{layer}.weight" for layer in layers}


def stacked(name: str) -> int:
    """How many matrices a weight holds one above the other: queries, keys and values; value and
    gate of a GLU."""
    if name.endswith("in_proj_weight"):
        return 3
    is_gated = name.endswith("rewrite.weight") or (".dconv." in name and name.endswith(".3.weight"))
    return 2 if is_gated else 1


def matrix_shape(name: str, p: torch.Tensor) -> tuple[int, int] | None:
    """(rows, columns) of the matrices in a weight, None if it has none worth it.

    A kernel [out, in, ...] is out x in * taps, a transposed one [in, out, ...] in x out * taps.
    """
    if p.dim() < 2:
        return None
    rows, columns = p.shape[0] // stacked(name), p[0].numel()
    wanted = min(rows, columns) >= LEAST_SIDE and rows * columns % ALIGNMENT == 0
    return (rows, columns) if wanted else None


def arranged(
    model: torch.nn.Module, matrices: bool = True
) -> tuple[list[torch.nn.Parameter], list[Group]]:
    """The model's trained parameters in the order that they have in the vector, and its groups.

    Matrices come first, by shape; without `matrices` there are none.
    """
    outer = outer_weights(model)
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    shapes = [
        matrix_shape(name, p) if matrices and name not in outer else None for name, p in named
    ]
    order = sorted(range(len(named)), key=lambda i: (shapes[i] is None, shapes[i] or ()))  # stable

    inner = [i for i in order if shapes[i]]
    groups = []
    for shape, same in itertools.groupby(inner, lambda i: shapes[i]):
        if shape:
            groups.append(Group(*shape, sum(stacked(named[i][0]) for i in same)))
    return [named[i][1] for i in order], groups


def orthogonal(x: torch.Tensor) -> torch.Tensor:
    """The nearest semi-orthogonal matrices to x [n, rows, columns], roughly: singular values end
    between 0.7 and 1.2. Wide matrices [n, rows, columns] in bfloat16, transposed where rows
    outnumber columns. Newton-Schulz iteration of degree five."""
    a, b, c = COEFFICIENTS
    x = x.mT if x.shape[1] > x.shape[2] else x
    y = (x / (x.norm(dim=(1, 2), keepdim=True) + 1e-12)).bfloat16()
    for _ in range(ITERATIONS):
        s = torch.bmm(y, y.mT)
        y = torch.baddbmm(y, torch.baddbmm(s, s, s, beta=b, alpha=c), y, beta=a)
    return y


class Muon:
    """Optimises the first `places` places of the vector of parameters, the matrices of `groups`."""

    def __init__(self, groups: Sequence[Group], device: torch.device) -> None:
        self.groups = list(groups)
        self.places = sum(group.places for group in self.groups)
        self.momentum, self.direction = torch.zeros(2, self.places, device=device)

    def matrices(self, vector: torch.Tensor) -> list[torch.Tensor]:
        """Views [n, rows, columns] of a vector's first places, one a group."""
        parts = vector[: self.places].split([group.places for group in self.groups])
        return [part.view(g.count, g.rows, g.columns) for part, g in zip(parts, self.groups)]

    def update_direction(self, grad: torch.Tensor) -> None:
        """Computes the direction of the next step from the gradient [all places].

        Addresses are fixed, so that it can be part of a CUDA graph.
        """
        grad = grad[: self.places]
        self.momentum.lerp_(grad, 1 - MOMENTUM)
        ahead = torch.lerp(grad, self.momentum, MOMENTUM)
        for x, out in zip(self.matrices(ahead), self.matrices(self.direction)):
            y = orthogonal(x)
            size = ADAM_RMS * max(x.shape[1:]) ** 0.5
            torch.mul(y.mT if x.shape[1] > x.shape[2] else y, size, out=out)

    def step(self, vector: torch.Tensor, learning_rate: float, decay: float) -> None:
        """Moves the vector's first places along the direction, with decoupled weight decay."""
        places = vector[: self.places]
        places.mul_(1 - learning_rate * decay).add_(self.direction, alpha=-learning_rate)
