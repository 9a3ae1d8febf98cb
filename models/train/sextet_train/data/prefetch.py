"""Batches made ahead of time, on a stream of their own, so that the GPU mixes while it trains."""

import queue
import threading
from collections.abc import Callable, Iterator

import torch

Batch = tuple[torch.Tensor, torch.Tensor]


def prefetched(make: Callable[[], Batch], device: torch.device, ahead: int = 2) -> Iterator[Batch]:
    """What `make` gives, without end; a thread makes up to `ahead` batches before they are wanted.

    A failure of `make` ends the iteration with the same exception.
    """
    ready: queue.Queue[Batch | BaseException] = queue.Queue(maxsize=ahead)
    stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def produce() -> None:
        try:
            while True:
                with torch.cuda.stream(stream):
                    batch = make()
                if stream:
                    stream.synchronize()
                ready.put(batch)
        except BaseException as error:
            ready.put(error)

    threading.Thread(target=produce, daemon=True).start()
    while True:
        batch = ready.get()
        if isinstance(batch, BaseException):
            raise batch
        if stream:
            for tensor in batch:
                tensor.record_stream(torch.cuda.current_stream(device))
        yield batch
