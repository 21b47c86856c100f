//! How many threads compute. candle takes the number from the environment, once, for the life of the process; this module
//! sets it where that can be done without risk.
#![allow(unsafe_code, reason = "changing the environment is unsafe; see the safety comment")]

/// What candle-core 0.11 reads: its own pool, and the pool of its float kernels.
const VARIABLES: [&str; 2] = ["CANDLE_NUM_THREADS", "RAYON_NUM_THREADS"];

/// Asks for `count` threads; 0 leaves the choice to the driver, which takes every core. Call it first thing in the
/// process: while other threads run the environment is not touched, and the answer is false.
#[must_use]
pub fn choose(count: usize) -> bool {
    let wanted = count.to_string();
    let set = |name: &&str| std::env::var(name).is_ok_and(|value| value == wanted);
    if count == 0 || VARIABLES.iter().all(set) {
        return true;
    }
    if !alone() {
        return false;
    }
    for name in VARIABLES {
        // SAFETY: `set_var` asks that no other thread reads or writes the environment meanwhile. There is none: the kernel
        // just listed this thread as the only one, and only this thread could start another.
        unsafe { std::env::set_var(name, &wanted) };
    }
    true
}

/// True if this is the process's only thread. A list that cannot be read counts as company.
fn alone() -> bool {
    std::fs::read_dir("/proc/self/task").is_ok_and(|tasks| tasks.count() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_company_the_environment_stays() {
        // The test harness runs this on a thread of its own: two at least.
        assert!(!alone());
        let before = std::env::var_os("CANDLE_NUM_THREADS");
        assert!(!choose(3));
        assert!(choose(0));
        assert_eq!(std::env::var_os("CANDLE_NUM_THREADS"), before);
    }
}
