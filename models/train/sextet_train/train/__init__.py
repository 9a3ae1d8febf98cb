"""The training run: configuration, loss, step, validation, checkpoints, loop."""
