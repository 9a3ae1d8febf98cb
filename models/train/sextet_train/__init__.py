"""Composes and renders the music that `sextet-mini` hears, trains it, and measures it.

Rooms, each of which imports only from those before it: `songs` (score to six stems), `data`
(stems to training examples), `model` (HTDemucs, its file, its fast forward pass), `optim`, `train`,
`eval`. `python -m sextet_train` lists the commands.
"""
