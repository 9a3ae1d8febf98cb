"""HTDemucs: its settings, its file, and a forward pass that is fast on a GPU."""
