"""One process of a run: its rank, its device, and what it exchanges with the others.

torchrun starts one process a GPU and tells each its place through the environment.
"""

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist


@dataclass(frozen=True)
class Process:
    """`rank` of `world` processes, computing on `device`."""

    rank: int
    world: int
    device: torch.device

    @classmethod
    def join(cls) -> "Process":
        """Joins the run that the environment describes, or makes a run of one process."""
        rank = int(os.environ.get("RANK", "0"))
        world = int(os.environ.get("WORLD_SIZE", "1"))
        device = torch.device("cpu")
        if torch.cuda.is_available():
            device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
            torch.cuda.set_device(device)
        if world > 1:
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        return cls(rank, world, device)

    @property
    def is_first(self) -> bool:
        """Whether this process logs, validates and saves."""
        return self.rank == 0

    def average(self, tensor: torch.Tensor) -> None:
        """Replaces the tensor by its mean over all processes."""
        if self.world > 1:
            dist.all_reduce(tensor)
            tensor /= self.world

    def broadcast(self, tensor: torch.Tensor) -> None:
        """Replaces the tensor by the first process's."""
        if self.world > 1:
            dist.broadcast(tensor, 0)

    def barrier(self) -> None:
        """Waits for all processes."""
        if self.world > 1:
            dist.barrier()

    def leave(self) -> None:
        """Waits for all processes and ends the group."""
        if self.world > 1:
            dist.barrier()
            dist.destroy_process_group()
