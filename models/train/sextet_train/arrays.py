"""Type names for NumPy's arrays and random source."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Rng: TypeAlias = np.random.Generator
