"""From a seed to six true stems: composition, instruments, effects, rendering."""
