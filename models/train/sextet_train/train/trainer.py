"""The state of a run and one step of it.

Matrices and kernels are trained by Muon, the rest by AdamW. Parameters, gradients and averages are
one vector each. The exponential average of the weights is what validation sees and
OUT/mini.safetensors holds; OUT/last.pt holds everything that `--resume` needs.
"""

from pathlib import Path
from typing import Any

import torch
from demucs.htdemucs import HTDemucs

from sextet_train.model import htdemucs, model_file
from sextet_train.optim.freezing import freeze
from sextet_train.optim.gradient_clip import GradientClip
from sextet_train.optim.muon import Muon, arranged
from sextet_train.optim.parameter_vector import ParameterVector
from sextet_train.optim.schedule import Schedule
from sextet_train.train.config import TrainConfig
from sextet_train.train.gradient_step import GradientStep
from sextet_train.train.process import Process
from sextet_train.train.record import new_record, parent_of, require_same_run

LAST, EXPORT = "last.pt", "mini.safetensors"
ADAMW_BETAS = (0.9, 0.99)


class Trainer:
    """Model, average, optimisers and clock of one process of a run."""

    def __init__(self, config: TrainConfig, process: Process | None = None) -> None:
        """ValueError if the options contradict the model or the checkpoint to resume from."""
        self.config = config
        self.process = process or Process.join()
        last = config.out / LAST
        state = self._resumable(last) if config.resume and last.exists() else None

        torch.manual_seed(config.seed)
        self.arguments = htdemucs.settings(config.channels, config.t_layers)
        frozen = self._build_models()
        self._build_optimisers()
        self.step = 0
        self.elapsed_s = 0.0

        parent = self._initial_parent()
        if state is not None:
            self._restore(state)
            parent = parent_of(last, state["record"])
        self.record = new_record(config, frozen, parent, self.process.world)

    def _build_models(self) -> list[str]:
        """Makes the model and its average; gives back the names of frozen parameters."""
        device = self.process.device
        self.model = HTDemucs(**self.arguments, use_train_segment=False).to(device).train()
        if self.config.init:
            self.model.load_state_dict(model_file.load(self.config.init).state_dict())
        self.average = HTDemucs(**self.arguments).to(device).eval()
        self.average.load_state_dict(self.model.state_dict())
        freeze(self.average, self.config.frozen)
        return freeze(self.model, self.config.frozen)

    def _build_optimisers(self) -> None:
        config, device = self.config, self.process.device
        parameters, groups = arranged(self.model, config.optimiser == "muon")
        self.vector = ParameterVector(parameters)
        averaged, _ = arranged(self.average, config.optimiser == "muon")
        self.average_vector = ParameterVector(averaged)

        self.muon = Muon(groups, device)
        self.loss_floor = torch.tensor(config.floor, device=device)
        self.gradient_step = GradientStep(self.model, self.vector, self.muon, self.loss_floor)
        rest = self.vector.values[self.muon.places :]
        rest.grad = self.gradient_step.gradient[self.muon.places :]
        decay = 0.0 if groups else config.decay
        self.adamw = torch.optim.AdamW(
            [rest], lr=config.lr, betas=ADAMW_BETAS, weight_decay=decay, fused=True
        )

        self.clip = GradientClip(device)
        self.schedule = Schedule(
            seconds=config.seconds,
            peak=config.lr,
            warmup_steps=config.warmup,
            hold=config.hold,
            floor=config.floor,
            floor_hold=config.floor_hold,
            floor_end=config.floor_end,
        )

    def _initial_parent(self) -> dict[str, Any] | None:
        if not self.config.init:
            return None
        return parent_of(self.config.init, model_file.read(self.config.init).training)

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        return self.schedule.learning_rate(self.step, self.elapsed_s)

    def one_step(self, mix: torch.Tensor, stems: torch.Tensor) -> torch.Tensor:
        """Trains on mix [batch, 2, frames] and stems [batch, 6, 2, frames]; the loss (scalar)."""
        self.loss_floor.fill_(self.schedule.loss_floor(self.elapsed_s))
        loss = self.gradient_step.compute(mix, stems)
        self._update()
        return loss

    def _update(self) -> None:
        """Averages gradients over GPUs, clips them, moves the weights and their average."""
        gradient = self.gradient_step.gradient
        self.process.average(gradient)
        self.clip.apply(gradient, first=self.step == 0)

        learning_rate = self.learning_rate
        self.adamw.param_groups[0]["lr"] = learning_rate
        self.adamw.step()
        self.gradient_step.update_direction()
        self.muon.step(self.vector.values, learning_rate, self.config.decay)

        # The average follows closely at first.
        keep = min(self.config.ema, (self.step + 1) / (self.step + 10))
        self.average_vector.values.lerp_(self.vector.values, 1 - keep)
        self.step += 1

    def save(self) -> None:
        """Writes OUT/last.pt and OUT/mini.safetensors, each whole."""
        state = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "step": self.step,
            "optimiser": self.adamw.state_dict(),
            # A copy: torch.save writes the whole storage that a view is of, with the direction.
            "momentum": self.muon.momentum.clone(),
            "elapsed": self.elapsed_s,
            "grad_norm_ema": self.clip.grad_norm_ema,
            "record": self.record,
        }
        part = self.config.out / "last.part"
        torch.save(state, part)
        part.rename(self.config.out / LAST)

        training = self.record | {"step": self.step, "elapsed_s": round(self.elapsed_s, 1)}
        file = model_file.ModelFile(self.average.state_dict(), self.arguments, training)
        model_file.write_whole(file, self.config.out / EXPORT)

    def _resumable(self, path: Path) -> dict[str, Any]:
        """A checkpoint that this configuration can continue from."""
        state = torch.load(path, map_location=self.process.device)
        require_same_run(state.get("record"), self.config, path)
        return state

    def _restore(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.adamw.load_state_dict(state["optimiser"])
        self.muon.momentum.copy_(state["momentum"])
        self.step = state["step"]
        self.elapsed_s = state["elapsed"]
        self.clip.grad_norm_ema = state["grad_norm_ema"]
