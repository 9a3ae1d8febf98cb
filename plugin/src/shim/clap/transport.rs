//! The correction of transport events inside a block.
//!
//! nice-plug 0.4.2 splits a block at a transport event, and then takes the event's position for
//! that of the block's start: it adds the event's offset to it. Without a tempo it adds nothing at
//! all, not even at a parameter change. So the correction subtracts the offset from every position,
//! and always sets a tempo.

use std::ffi::c_void;

use clap_sys::events::{
    CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_TRANSPORT, CLAP_TRANSPORT_HAS_TEMPO, clap_event_header,
    clap_event_transport, clap_input_events,
};
use clap_sys::fixedpoint::{CLAP_BEATTIME_FACTOR, CLAP_SECTIME_FACTOR};
use clap_sys::process::clap_process;

/// Number of transport events of one block that are corrected. Any more are passed on as they are.
const MOST_EVENTS: usize = 64;

/// Tempo where the host has none. Nothing musical is derived from it: the plugin reads seconds and
/// samples.
const ANY_TEMPO: f64 = 120.0;

/// One block's list of events with corrected transport. The list points to this object, so its
/// owner keeps it in a box.
pub(super) struct CorrectedTransport {
    list: clap_input_events,
    hosts: *const clap_input_events,
    /// Copies of transport events, each with its index in the host's list.
    events: Vec<(u32, clap_event_transport)>,
    start: Option<clap_event_transport>,
    rate_hz: f64,
}

// SAFETY: the pointers are written before they are read in every call, and never used between
// calls.
unsafe impl Send for CorrectedTransport {}

impl CorrectedTransport {
    pub(super) fn new() -> Self {
        let list = clap_input_events {
            ctx: std::ptr::null_mut(),
            size: Some(size),
            get: Some(get),
        };

        let events = Vec::with_capacity(MOST_EVENTS);
        Self {
            list,
            hosts: std::ptr::null(),
            events,
            start: None,
            rate_hz: 1.0,
        }
    }

    pub(super) fn set_rate(&mut self, rate_hz: f64) {
        self.rate_hz = rate_hz;
    }

    /// Replaces the block's transport and events. Does not allocate.
    ///
    /// # Safety
    /// Transport and events are null or the host's own; `self` stays where it is while `block` is
    /// used.
    pub(super) unsafe fn apply(&mut self, block: &mut clap_process) {
        // SAFETY: null or a host's transport.
        self.start = unsafe { block.transport.as_ref() }.map(|transport| corrected(transport, 0.0));
        block.transport = self
            .start
            .as_ref()
            .map_or(std::ptr::null(), std::ptr::from_ref);
        self.hosts = block.in_events;
        self.events.clear();

        // SAFETY: null or a host's list.
        let Some(hosts) = (unsafe { block.in_events.as_ref() }) else {
            return;
        };
        let (Some(size), Some(get)) = (hosts.size, hosts.get) else {
            return;
        };

        // SAFETY: the host's own functions on its own list.
        for index in 0..unsafe { size(hosts) } {
            // SAFETY: as above, within the list; an event of this type is a transport event.
            let event = unsafe { get(hosts, index).as_ref() }.filter(|header| is_transport(header));
            if let Some(header) = event
                && self.events.len() < MOST_EVENTS
            {
                // SAFETY: the type says that a transport event lies here.
                let transport =
                    unsafe { &*std::ptr::from_ref(header).cast::<clap_event_transport>() };
                self.events.push((
                    index,
                    corrected(transport, f64::from(header.time) / self.rate_hz),
                ));
            }
        }

        if !self.events.is_empty() {
            self.list.ctx = std::ptr::from_ref(self).cast_mut().cast::<c_void>();
            block.in_events = &self.list;
        }
    }
}

fn is_transport(header: &clap_event_header) -> bool {
    header.space_id == CLAP_CORE_EVENT_SPACE_ID && header.type_ == CLAP_EVENT_TRANSPORT
}

/// Returns the transport as it would have been at the block's start, had it run from there.
fn corrected(transport: &clap_event_transport, offset_s: f64) -> clap_event_transport {
    let mut copy = *transport;
    if copy.flags & CLAP_TRANSPORT_HAS_TEMPO == 0 {
        copy.flags |= CLAP_TRANSPORT_HAS_TEMPO;
        copy.tempo = ANY_TEMPO;
    }
    copy.song_pos_seconds -= (offset_s * CLAP_SECTIME_FACTOR as f64).round() as i64;
    copy.song_pos_beats -=
        (offset_s / 60.0 * copy.tempo * CLAP_BEATTIME_FACTOR as f64).round() as i64;
    copy
}

unsafe extern "C" fn size(list: *const clap_input_events) -> u32 {
    // SAFETY: our own list: `ctx` is the `CorrectedTransport` it lies in, whose host's list was
    // checked when it was set.
    unsafe {
        let hosts = (*(*list).ctx.cast::<CorrectedTransport>()).hosts;
        (*hosts).size.map_or(0, |size| size(hosts))
    }
}

unsafe extern "C" fn get(list: *const clap_input_events, index: u32) -> *const clap_event_header {
    // SAFETY: as in `size`.
    unsafe {
        let this = &*(*list).ctx.cast::<CorrectedTransport>();
        match this.events.iter().find(|(number, _)| *number == index) {
            Some((_, event)) => &event.header,
            None => (*this.hosts)
                .get
                .map_or(std::ptr::null(), |get| get(this.hosts, index)),
        }
    }
}
