//! The memory of a hash, in huge pages where Linux has them.
#![cfg_attr(target_os = "linux", expect(unsafe_code, reason = "advice to the kernel of Linux"))]

use std::collections::TryReserveError;
use std::mem::MaybeUninit;

use argon2::Block;
#[cfg(target_os = "linux")]
use rustix::mm::{Advice, madvise};

/// Allocates memory for [`argon2id`](crate::kernel::argon2id), in huge pages where Linux has them.
///
/// Without huge pages, page faults take most of the time of a hash in fresh memory, and address
/// translation costs more afterwards. They are requested before the first write.
///
/// # Errors
/// When the allocation fails.
pub fn allocate(blocks: usize) -> Result<Vec<Block>, TryReserveError> {
    let mut memory = Vec::new();
    memory.try_reserve_exact(blocks)?;
    advise_huge_pages(memory.spare_capacity_mut());
    memory.resize(blocks, Block::new());
    Ok(memory)
}

/// Requests huge pages for the part of the memory that can use them.
#[cfg(target_os = "linux")]
fn advise_huge_pages(memory: &mut [MaybeUninit<Block>]) {
    const HUGE_PAGE: usize = 2 << 20;

    let bytes = size_of_val(memory);
    let start = memory.as_mut_ptr().cast::<u8>();
    let edge = start.align_offset(HUGE_PAGE).min(bytes);
    let length = (bytes - edge) / HUGE_PAGE * HUGE_PAGE;
    if length > 0 {
        // SAFETY: the range lies within the slice, which is borrowed mutably, and this advice
        // changes how memory is backed, never what it contains.
        // A kernel without huge pages may refuse it, which is harmless.
        let _advised =
            unsafe { madvise(start.wrapping_add(edge).cast(), length, Advice::LinuxHugepage) };
    }
}

/// Huge pages are requested on Linux only.
#[cfg(not(target_os = "linux"))]
fn advise_huge_pages(_memory: &mut [MaybeUninit<Block>]) {}
