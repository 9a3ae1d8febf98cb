"""The six stems in the order of the model's outputs, and the sample rate of everything."""

STEMS = ("drums", "bass", "other", "vocals", "guitar", "piano")
RATE_HZ = 44100
