"""Muon: momentum whose direction is made orthogonal, for the model's matrices.

Keller Jordan, "Muon: An optimizer for hidden layers in neural networks", 2024 (https://kellerjordan.github.io/posts/muon/):
formula, coefficients, Nesterov's form. The update is scaled to the size of Adam's, so that learning rates for Adam hold:
Liu et al., "Muon is Scalable for LLM Training", 2025 (arXiv:2502.16982), section 2.2.

All parameters are one vector; matrices of one shape lie side by side in it (`arranged`), so that they are a view
[n, rows, columns] and every product of the iteration is one call for all of them.
"""

import itertools

import torch

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
MOMENTUM = 0.95
ADAMS_SIZE = 0.2  # root mean square of an entry of Adam's update, in learning rates
LEAST_SIDE = 24  # of a matrix, below which the choice of its directions is not worth the calls
ALIGNMENT = 64  # places of the vector; a parameter begins at a multiple


def edges(model):
    """Names of the parameters that meet signals or positions: first and last layers and the embedding."""
    last = len(model.decoder) - 1
    layers = ["encoder.0.conv", "tencoder.0.conv", f"decoder.{last}.conv_tr", f"tdecoder.{last}.conv_tr", "freq_emb.embedding"]
    return {f"{layer}.weight" for layer in layers}


def parts_of(name):
    """How many matrices a weight holds one above the other: queries, keys and values; value and gate of a GLU."""
    if name.endswith("in_proj_weight"):
        return 3
    return 2 if name.endswith("rewrite.weight") or ".dconv." in name and name.endswith(".3.weight") else 1


def matrix(name, p):
    """(rows, columns) of the matrices in a weight, None if it has none worth it. A kernel [out, in, ...] is out x in * taps, a
    transposed one [in, out, ...] is in x out * taps."""
    if p.dim() < 2:
        return None
    rows, columns = p.shape[0] // parts_of(name), p[0].numel()
    return (rows, columns) if min(rows, columns) >= LEAST_SIDE and rows * columns % ALIGNMENT == 0 else None


def arranged(model, wanted=True):
    """(parameters, groups): the model's parameters that want a gradient, in the order that they have in the vector, and for
    every shape of matrix (rows, columns, how many). The matrices come first; if not `wanted`, there are none."""
    outer, named = edges(model), [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    shapes = [matrix(name, p) if wanted and name not in outer else None for name, p in named]
    order = sorted(range(len(named)), key=lambda i: (shapes[i] is None, shapes[i] or ()))  # stable
    inner = [i for i in order if shapes[i]]
    groups = [(*s, sum(parts_of(named[i][0]) for i in same)) for s, same in itertools.groupby(inner, lambda i: shapes[i])]
    return [named[i][1] for i in order], groups


def orthogonal(x):
    """The nearest semi-orthogonal matrices to x [n, rows, columns], roughly: singular values end between 0.7 and 1.2.
    Newton-Schulz iteration of degree five in bfloat16."""
    a, b, c = COEFFICIENTS
    x = x.mT if x.shape[1] > x.shape[2] else x
    y = (x / (x.norm(dim=(1, 2), keepdim=True) + 1e-12)).bfloat16()
    for _ in range(ITERATIONS):
        s = torch.bmm(y, y.mT)
        y = torch.baddbmm(y, torch.baddbmm(s, s, s, beta=b, alpha=c), y, beta=a)
    return y


class Muon:
    """Of the first places of the vector of parameters, those of `groups`; `places` says how many they are."""

    def __init__(self, groups, device):
        self.groups = groups
        self.places = sum(rows * columns * n for rows, columns, n in groups)
        self.momentum, self.direction = torch.zeros(2, self.places, device=device)

    def matrices(self, vector):
        """Views [n, rows, columns] of a vector's first places, one a group."""
        parts = vector[: self.places].split([rows * columns * n for rows, columns, n in self.groups])
        return [part.view(n, rows, columns) for part, (rows, columns, n) in zip(parts, self.groups)]

    def aim(self, grad):
        """The direction of the next step from the gradients: fixed addresses, so that it can be part of a CUDA graph."""
        grad = grad[: self.places]
        self.momentum.lerp_(grad, 1 - MOMENTUM)
        ahead = torch.lerp(grad, self.momentum, MOMENTUM)
        for x, out in zip(self.matrices(ahead), self.matrices(self.direction)):
            y = orthogonal(x)
            size = ADAMS_SIZE * max(x.shape[1:]) ** 0.5
            torch.mul(y.mT if x.shape[1] > x.shape[2] else y, size, out=out)

    def move(self, vector, learning_rate, decay):
        vector[: self.places].mul_(1 - learning_rate * decay).add_(self.direction, alpha=-learning_rate)
