"""Optimisers, the vector of parameters, and the schedule."""
