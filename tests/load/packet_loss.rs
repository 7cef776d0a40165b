//! Loss of packets by the kernel: a filter on a socket drops segments before TCP sees them
//! (`socket(7)`, `SO_ATTACH_FILTER`). The sender gets no acknowledgement, and resends them.

use std::os::fd::AsFd;

use socket2::{SockFilter, SockRef};

// The codes of the filter (`linux/bpf_common.h`, `linux/filter.h`).
const LOAD_WORD: u16 = 0x20;
const JUMP_IF_AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;
const RANDOM_NUMBER: u32 = 0xFFFF_F038;
const ALL_BYTES: u32 = u32::MAX;

/// Drops each segment that arrives with a probability of `percent`.
pub(crate) fn drop_arriving(socket: &impl AsFd, percent: u32) {
    let limit = u32::MAX / 100 * percent;
    let some = [
        SockFilter::new(LOAD_WORD, 0, 0, RANDOM_NUMBER),
        SockFilter::new(JUMP_IF_AT_LEAST, 0, 1, limit),
        SockFilter::new(RETURN, 0, 0, ALL_BYTES),
        SockFilter::new(RETURN, 0, 0, 0),
    ];
    let all = [SockFilter::new(RETURN, 0, 0, 0)];
    let filter: &[SockFilter] = if percent >= 100 { &all } else { &some };
    SockRef::from(socket).attach_filter(filter).unwrap();
}

/// Ends [`drop_arriving`].
pub(crate) fn drop_nothing(socket: &impl AsFd) {
    // It fails without a filter.
    let _ = SockRef::from(socket).detach_filter();
}
