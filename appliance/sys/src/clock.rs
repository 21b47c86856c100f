//! Whether the kernel's clock is kept by a time source (`adjtimex(2)`).
#![allow(unsafe_code)]

use std::io;

/// True if a time source keeps the clock. Asks and changes nothing.
///
/// # Errors
/// The kernel's; a filter that denies the call, most likely.
pub fn synchronised() -> io::Result<bool> {
    // SAFETY: `timex` is plain integers, for which zero is a value; `modes` zero asks and changes nothing, and the kernel
    // writes within the structure it is given.
    let (state, status) = unsafe {
        let mut answer: libc::timex = std::mem::zeroed();
        let state = libc::adjtimex(&raw mut answer);
        (state, answer.status)
    };
    if state < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(status & libc::STA_UNSYNC == 0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_kernel_answers() {
        assert!(super::synchronised().is_ok());
    }
}
