"""From stored songs to training examples on the training device."""
