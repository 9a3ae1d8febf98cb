"""torch.cuda's streams and events of one GPU, as `fence.Device` wants them."""

from typing import Any

import torch


class CudaStreams:
    """Streams and events of a GPU."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def current_stream(self) -> torch.cuda.Stream:
        """The stream that this thread issues to."""
        return torch.cuda.current_stream(self.device)

    def record(self, stream: torch.cuda.Stream) -> Any:
        """An event that has happened once all that was issued to the stream has run."""
        return stream.record_event()

    def wait(self, stream: torch.cuda.Stream, event: Any) -> None:
        """Has what is issued to the stream from now on wait for the event."""
        stream.wait_event(event)
