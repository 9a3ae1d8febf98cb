"""Loss and gradients of one batch; on a GPU captured once as a CUDA graph."""

import torch
from demucs.htdemucs import HTDemucs

from sextet_train.model.inference import run
from sextet_train.optim.muon import Muon
from sextet_train.optim.parameter_vector import ParameterVector
from sextet_train.stems import STEMS
from sextet_train.train.loss import separation_loss

WARM_UP_STEPS = 3


class GradientStep:
    """Fills `gradient` [places] from a batch and updates Muon's direction.

    `floor` (scalar) is the loss's floor. `capture` fixes the batch's shape, makes the buffers `mix`
    [batch, 2, frames] and `stems` [batch, 6, 2, frames], and on a GPU the graphs that are replayed
    from then on.
    """

    def __init__(
        self, model: HTDemucs, vector: ParameterVector, muon: Muon, floor: torch.Tensor
    ) -> None:
        self.model = model
        self.vector = vector
        self.muon = muon
        self.floor = floor
        self.gradient = torch.zeros_like(vector.values)
        self.mix = self.stems = self.loss = floor
        self.graph: torch.cuda.CUDAGraph | None = None
        self.direction_graph: torch.cuda.CUDAGraph | None = None

    def eager(self, mix: torch.Tensor, stems: torch.Tensor) -> torch.Tensor:
        """Fills the gradient; gives back the reported loss (scalar)."""
        loss = separation_loss(run(self.model, mix), stems, self.floor)
        grads = torch.autograd.grad(loss.trained, self.vector.parameters)
        self.vector.gather(grads, self.gradient)
        return loss.reported.detach()

    def capture(self, batch: int, frames: int) -> None:
        """Draws noise as a first batch; on a GPU compiles kernels with it and captures graphs."""
        device = self.vector.values.device
        self.mix = torch.randn(batch, 2, frames, device=device)
        self.stems = torch.randn(batch, len(STEMS), 2, frames, device=device)
        if device.type == "cuda":
            momentum = self.muon.momentum.clone()
            self._warm_up()
            self._capture_graphs()
            self.muon.momentum.copy_(momentum)

    def _warm_up(self) -> None:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP_STEPS):
                self.eager(self.mix, self.stems)
                self.muon.update_direction(self.gradient)
        torch.cuda.current_stream().wait_stream(stream)
        torch.cuda.synchronize()

    def _capture_graphs(self) -> None:
        # The pool's thread goes on copying meanwhile: errors of this thread only.
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph, capture_error_mode="thread_local"):
            self.loss = self.eager(self.mix, self.stems)
        if self.muon.groups:
            self.direction_graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.direction_graph, capture_error_mode="thread_local"):
                self.muon.update_direction(self.gradient)

    def compute(self, mix: torch.Tensor, stems: torch.Tensor) -> torch.Tensor:
        """Fills the gradient; gives back the reported loss (scalar)."""
        if self.graph is None:
            return self.eager(mix, stems)
        self.mix.copy_(mix)
        self.stems.copy_(stems)
        self.graph.replay()
        return self.loss.clone()

    def update_direction(self) -> None:
        """Updates Muon's direction from the gradient, which may have changed since `compute`."""
        if self.direction_graph is None:
            self.muon.update_direction(self.gradient)
        else:
            self.direction_graph.replay()
