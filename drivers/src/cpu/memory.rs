//! Memory for weights, cache and activations: zeroed, aligned to a cache line, in 2 MiB pages where the system allows it.
//!
//! Large pages are worth 20 to 30 % of the memory bandwidth that decoding lives on. A page belongs to the memory node of the
//! thread that touches it first, so the threads that will read weights also write them.
#![allow(unsafe_code, reason = "the mapping of memory; each block says why it is sound")]

use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

#[cfg(not(haechi_heap))]
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

#[cfg_attr(haechi_heap, allow(dead_code))]
const HUGE_PAGE: usize = 2 << 20;
/// Allocations start at a multiple of this.
pub(super) const LINE: usize = 64;

/// An anonymous mapping of zeros. What is never touched takes no memory.
#[derive(Debug)]
pub(super) struct Region {
    mapped: NonNull<u8>,
    mapped_bytes: usize,
    start: NonNull<u8>,
    bytes: usize,
    used: AtomicUsize,
}

// SAFETY: the region is plain memory that nobody else knows; access to what `take` hands out is the taker's to order.
unsafe impl Send for Region {}
// SAFETY: as above; `used` is atomic.
unsafe impl Sync for Region {}

/// Under `--cfg haechi_heap` memory comes from the allocator, to the byte: checkers of memory know its bounds, where a mapping
/// hides what reaches beyond (tests/long.sh, `engine`).
#[cfg(haechi_heap)]
impl Region {
    fn layout(bytes: usize) -> Result<std::alloc::Layout, std::io::Error> {
        std::alloc::Layout::from_size_align(bytes, LINE).map_err(|_| std::io::ErrorKind::OutOfMemory.into())
    }

    /// Room for `bytes` bytes.
    pub(super) fn new(bytes: usize) -> Result<Self, std::io::Error> {
        let mapped_bytes = bytes.max(1);
        // SAFETY: the layout is not empty.
        let mapped = NonNull::new(unsafe { std::alloc::alloc_zeroed(Self::layout(mapped_bytes)?) });
        let mapped = mapped.ok_or(std::io::ErrorKind::OutOfMemory)?;
        Ok(Self { mapped, mapped_bytes, start: mapped, bytes, used: AtomicUsize::new(0) })
    }
}

#[cfg(not(haechi_heap))]
impl Region {
    /// Room for `bytes` bytes.
    ///
    /// # Errors
    /// The system's words, if it gives no memory.
    pub(super) fn new(bytes: usize) -> Result<Self, std::io::Error> {
        let too_large = std::io::ErrorKind::OutOfMemory;
        let bytes = bytes.max(1).checked_next_multiple_of(LINE).ok_or(too_large)?;
        let huge = bytes >= HUGE_PAGE;
        let mapped_bytes = bytes.checked_add(if huge { HUGE_PAGE } else { 0 }).ok_or(too_large)?;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a fresh anonymous mapping at an address of the kernel's choice touches no memory in use.
        let mapped =
            unsafe { mmap_anonymous(std::ptr::null_mut(), mapped_bytes, ProtFlags::READ | ProtFlags::WRITE, flags)? };
        let mapped: NonNull<u8> = NonNull::new(mapped.cast()).ok_or(std::io::ErrorKind::OutOfMemory)?;
        let skip = if huge { mapped.as_ptr().align_offset(HUGE_PAGE).min(HUGE_PAGE) } else { 0 };
        // SAFETY: `skip` is at most the HUGE_PAGE bytes that were mapped beyond `bytes`.
        let start = unsafe { mapped.add(skip) };
        if huge {
            // SAFETY: the range lies inside the mapping; the advice changes no content. Refusal only costs speed.
            let _ = unsafe { madvise(start.as_ptr().cast(), bytes, Advice::LinuxHugepage) };
        }
        Ok(Self { mapped, mapped_bytes, start, bytes, used: AtomicUsize::new(0) })
    }
}

impl Region {
    /// The next `bytes` bytes, aligned to a cache line; `None` if the region is full.
    pub(super) fn take(&self, bytes: usize) -> Option<NonNull<u8>> {
        let at = self.used.fetch_add(bytes.checked_next_multiple_of(LINE)?, Ordering::Relaxed);
        // SAFETY: in bounds, as just compared.
        (at.checked_add(bytes)? <= self.bytes).then(|| unsafe { self.start.add(at) })
    }

    /// Bytes handed out.
    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed).min(self.bytes)
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        #[cfg(haechi_heap)]
        if let Ok(layout) = Self::layout(self.mapped_bytes) {
            // SAFETY: exactly what was allocated.
            unsafe { std::alloc::dealloc(self.mapped.as_ptr(), layout) };
        }
        // SAFETY: exactly what was mapped; whoever took memory from the region holds it alive by an `Arc`.
        #[cfg(not(haechi_heap))]
        let _ = unsafe { munmap(self.mapped.as_ptr().cast(), self.mapped_bytes) };
    }
}

/// A buffer of plain numbers, zeroed, that several threads fill at disjoint places.
#[derive(Debug)]
pub(super) struct Buffer<T> {
    region: Region,
    length: usize,
    kind: std::marker::PhantomData<T>,
}

/// Numbers for which all bits zero is a value.
pub(super) trait Plain: Copy + 'static {}
impl Plain for f32 {}
impl Plain for i32 {}
impl Plain for i8 {}
impl Plain for u16 {}
impl Plain for u32 {}
impl Plain for u64 {}
impl Plain for u8 {}

impl<T: Plain> Buffer<T> {
    /// `length` zeros.
    ///
    /// # Errors
    /// The system's words, if it gives no memory.
    pub(super) fn new(length: usize) -> Result<Self, std::io::Error> {
        let bytes = length.checked_mul(size_of::<T>()).ok_or(std::io::ErrorKind::OutOfMemory)?;
        Ok(Self { region: Region::new(bytes)?, length, kind: std::marker::PhantomData })
    }

    /// Where it begins. Reads and writes through it are the caller's to order.
    pub(super) fn pointer(&self) -> *mut T {
        self.region.start.as_ptr().cast()
    }

    /// The numbers. Nobody may write meanwhile: `&mut self` says so.
    pub(super) fn slice(&mut self) -> &mut [T] {
        // SAFETY: the region has `length` numbers, zero is a value of T, and the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.pointer(), self.length) }
    }

    /// Its length in numbers.
    pub(super) fn len(&self) -> usize {
        self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_zeroed_aligned_and_bounded() {
        for bytes in [1, 100, HUGE_PAGE + 1] {
            let region = Region::new(bytes).unwrap();
            let first = region.take(1).unwrap();
            assert_eq!(first.as_ptr() as usize % LINE, 0);
            // SAFETY: one byte was taken.
            assert_eq!(unsafe { first.read() }, 0);
            assert!(region.take(bytes).is_none() || bytes > LINE);
            assert!(region.take(usize::MAX - 200).is_none());
        }
        let mut buffer = Buffer::<f32>::new(1000).unwrap();
        assert!(buffer.slice().iter().all(|x| *x == 0.0) && buffer.len() == 1000);
        assert!(Buffer::<f32>::new(usize::MAX).is_err());
    }
}
