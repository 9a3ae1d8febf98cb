//! The bound on the points of automation in a block.
//!
//! nice-plug 0.4.2 collects all points of a block in a list with room for
//! `Plugin::INPUT_EVENT_CAPACITY`, and allocates on the audio thread when there are more. A block
//! with more is thinned here: every parameter keeps its last point, and others evenly between.

#![allow(non_snake_case, reason = "the names are VST3's")]

use std::cell::Cell;
use std::ptr;

use nice_plug::wrapper::vst3::vst3::Steinberg::Vst::*;
use nice_plug::wrapper::vst3::vst3::Steinberg::*;
use nice_plug::wrapper::vst3::vst3::{Class, ComRef, ComWrapper};

/// The changes of a block, of which at most so many points are passed on.
pub(super) struct BoundedPoints(ComWrapper<Thinned>);

/// The host's changes, thinned. It stands for the list and for one queue at a time, which is how
/// nice-plug reads them, so that nothing has to be allocated for a block.
struct Thinned {
    most: int32,
    hosts: Cell<*mut IParameterChanges>,
    /// Number of queues that are passed on.
    queues: Cell<int32>,
    /// Most points of a queue.
    share: Cell<int32>,
    queue: Cell<*mut IParamValueQueue>,
    /// This object as a queue.
    own_queue: Cell<*mut IParamValueQueue>,
}

impl Class for Thinned {
    type Interfaces = (IParameterChanges, IParamValueQueue);
}

impl BoundedPoints {
    pub(super) fn new(most: usize) -> Self {
        let thinned = ComWrapper::new(Thinned {
            most: int32::try_from(most).unwrap_or(int32::MAX),
            hosts: Cell::new(ptr::null_mut()),
            queues: Cell::new(0),
            share: Cell::new(0),
            queue: Cell::new(ptr::null_mut()),
            own_queue: Cell::new(ptr::null_mut()),
        });

        let own_queue = thinned.as_com_ref::<IParamValueQueue>();
        thinned
            .own_queue
            .set(own_queue.map_or(ptr::null_mut(), |own| own.as_ptr()));
        Self(thinned)
    }

    /// Returns the host's changes if they have few enough points, else a view of some of them,
    /// which is valid until the next call. Does not allocate.
    ///
    /// # Safety
    /// `hosts` is null or valid until the next call.
    pub(super) unsafe fn bound(&self, hosts: *mut IParameterChanges) -> *mut IParameterChanges {
        // SAFETY: as the caller promises.
        let Some(changes) = (unsafe { ComRef::from_raw(hosts) }) else {
            return hosts;
        };

        // SAFETY: the host's own functions on its own list.
        let queues = unsafe { changes.getParameterCount() }.max(0);
        let mut points = 0_i64;
        for number in 0..queues {
            // SAFETY: as above.
            let queue = unsafe { ComRef::from_raw(changes.getParameterData(number)) };
            let count = queue.map_or(0, |queue| {
                // SAFETY: as above.
                unsafe { queue.getPointCount() }
            });
            points += i64::from(count.max(0));
        }

        let thinned = &*self.0;
        if points <= i64::from(thinned.most) {
            return hosts;
        }

        thinned.hosts.set(hosts);
        thinned.queues.set(queues.min(thinned.most));
        thinned.share.set((thinned.most / queues.max(1)).max(1));
        self.0
            .as_com_ref::<IParameterChanges>()
            .map_or(hosts, |own| own.as_ptr())
    }
}

impl Thinned {
    /// Returns the number of the host's points in the queue that is read.
    fn hosts_points(&self) -> int32 {
        // SAFETY: the queue is the host's, and valid during this block.
        let queue = unsafe { ComRef::from_raw(self.queue.get()) };
        // SAFETY: as above.
        queue.map_or(0, |queue| unsafe { queue.getPointCount() }.max(0))
    }
}

impl IParameterChangesTrait for Thinned {
    unsafe fn getParameterCount(&self) -> int32 {
        self.queues.get()
    }

    unsafe fn getParameterData(&self, index: int32) -> *mut IParamValueQueue {
        // SAFETY: the list is the host's, and valid during this block.
        let Some(hosts) = (unsafe { ComRef::from_raw(self.hosts.get()) }) else {
            return ptr::null_mut();
        };

        // SAFETY: as above.
        let queue = unsafe { hosts.getParameterData(index) };
        self.queue.set(queue);
        if queue.is_null() {
            queue
        } else {
            self.own_queue.get()
        }
    }

    unsafe fn addParameterData(
        &self,
        _id: *const ParamID,
        _index: *mut int32,
    ) -> *mut IParamValueQueue {
        ptr::null_mut()
    }
}

impl IParamValueQueueTrait for Thinned {
    unsafe fn getParameterId(&self) -> ParamID {
        // SAFETY: the queue is the host's, and valid during this block.
        let queue = unsafe { ComRef::from_raw(self.queue.get()) };
        // SAFETY: as above.
        queue.map_or(0, |queue| unsafe { queue.getParameterId() })
    }

    unsafe fn getPointCount(&self) -> int32 {
        self.hosts_points().min(self.share.get())
    }

    unsafe fn getPoint(&self, index: int32, offset: *mut int32, value: *mut ParamValue) -> tresult {
        // SAFETY: the queue is the host's, and valid during this block.
        let Some(queue) = (unsafe { ComRef::from_raw(self.queue.get()) }) else {
            return kResultFalse;
        };
        let chosen = chosen(index, self.hosts_points(), self.share.get());
        // SAFETY: forwarded as it came, to the host's own queue.
        unsafe { queue.getPoint(chosen, offset, value) }
    }

    unsafe fn addPoint(&self, _offset: int32, _value: ParamValue, _index: *mut int32) -> tresult {
        kResultFalse
    }
}

/// Returns which of `points` is passed on as number `index` of at most `share`: evenly, and the
/// last one last.
fn chosen(index: int32, points: int32, share: int32) -> int32 {
    if points <= share {
        return index;
    }
    let place = (i64::from(index) + 1) * i64::from(points) / i64::from(share) - 1;
    place as int32
}

#[cfg(test)]
mod tests {
    use sextet_cases::each_case;

    use super::*;

    #[test]
    fn the_points_that_are_passed_on_are_spread_and_end_with_the_last() {
        let cases = [
            (3, 3),
            (3, 10),
            (10, 3),
            (5_000, 48),
            (1_025, 1_024),
            (7, 1),
        ];
        each_case(cases, |(points, share)| {
            let count = points.min(share);
            let places: Vec<_> = (0..count).map(|n| chosen(n, points, share)).collect();
            assert!(
                places.windows(2).all(|pair| pair[0] < pair[1]),
                "{places:?}"
            );
            assert!(places[0] >= 0);
            assert_eq!(places.last(), Some(&(points - 1)));
        });
    }
}
