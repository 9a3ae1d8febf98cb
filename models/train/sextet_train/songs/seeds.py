"""Seeds of songs, in disjoint ranges, so that no score is both trained on and evaluated.

A range's end is left out. The sample song is a seed of its own.
"""

SAMPLE_SEED = 76
VALID_SEEDS = 1_000
EVAL_SEEDS = 10_000
HELDOUT_EVAL_SEEDS = 15_000
TRAIN_SEEDS = 1_000_000
