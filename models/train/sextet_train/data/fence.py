"""Orders the writes and reads of one buffer by several threads, on the host and on the device.

On a GPU an operation that was issued has not run: threads that take turns in issuing copies and
reads, each to a stream of its own, may still have them run at the same time. Here the streams take
turns too. A read waits for the last write before it, and a write for all reads since, by events:
the GPU waits, no thread does.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol


class Device(Protocol):
    """The operations of a device that a fence needs (torch.cuda's, or a test's)."""

    def current_stream(self) -> Any:
        """The stream that this thread issues to."""
        ...

    def record(self, stream: Any) -> Any:
        """An event that has happened once all that was issued to the stream has run."""
        ...

    def wait(self, stream: Any, event: Any) -> None:
        """Has what is issued to the stream from now on wait for the event."""
        ...


class Fence:
    """Guards one buffer. Without a device (on a CPU, where operations run when they are issued)
    only threads take turns."""

    def __init__(self, device: Device | None) -> None:
        self._device = device
        self._turn = threading.Lock()
        self._written: Any = None
        self._read: dict[Any, Any] = {}  # the last read of every stream since the last write

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A turn in which this thread's stream may write the buffer."""
        with self._turn:
            if self._device is None:
                yield
                return
            stream = self._device.current_stream()
            self._wait(stream, [self._written, *self._read.values()])
            yield
            self._written = self._device.record(stream)
            self._read.clear()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """A turn in which this thread's stream may read the buffer."""
        with self._turn:
            if self._device is None:
                yield
                return
            stream = self._device.current_stream()
            self._wait(stream, [self._written])
            yield
            self._read[stream] = self._device.record(stream)

    def _wait(self, stream: Any, events: list[Any]) -> None:
        for event in events:
            if event is not None and self._device is not None:
                self._device.wait(stream, event)
