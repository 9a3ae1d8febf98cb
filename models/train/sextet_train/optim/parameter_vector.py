"""A model's parameters as one vector, so that optimisers, averages and exchanges are single
calls."""

from collections.abc import Sequence

import torch

ALIGNMENT = 64  # places; a parameter begins at a multiple


class ParameterVector:
    """The trained parameters of a model, which become views of the vector `values` [places].

    Parameters lie in the order given, each at a multiple of ALIGNMENT places; the gaps are zeros.
    """

    def __init__(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        self.parameters = list(parameters)
        self.sizes = [-(-p.numel() // ALIGNMENT) * ALIGNMENT for p in self.parameters]
        self.values = torch.zeros(sum(self.sizes), device=self.parameters[0].device)
        for p, part in zip(self.parameters, self.values.split(self.sizes)):
            part[: p.numel()].copy_(p.data.flatten())
            p.data = part[: p.numel()].view_as(p)

    def gather(self, tensors: Sequence[torch.Tensor], out: torch.Tensor) -> None:
        """Copies one tensor a parameter, such as gradients, to its places in `out` [places]."""
        for part, tensor in zip(out.split(self.sizes), tensors):
            part[: tensor.numel()].copy_(tensor.flatten())
