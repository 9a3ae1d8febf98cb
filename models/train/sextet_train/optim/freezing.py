"""Parameters that training leaves as they are."""

from collections.abc import Sequence

import torch


def freeze(model: torch.nn.Module, prefixes: Sequence[str]) -> list[str]:
    """Freezes the parameters whose names begin with one of the prefixes; gives back their names.

    ValueError for a prefix that no name has, or if nothing is left to train.
    """
    named = dict(model.named_parameters())
    for prefix in prefixes:
        if not any(name.startswith(prefix) for name in named):
            raise ValueError(
                f"--frozen {prefix}: no parameter's name begins so; "
                "expected for instance crosstransformer"
            )
    for name, p in named.items():
        p.requires_grad_(not name.startswith(tuple(prefixes)))
    if not any(p.requires_grad for p in named.values()):
        raise ValueError("--frozen leaves nothing to train")
    return [name for name, p in named.items() if not p.requires_grad]
