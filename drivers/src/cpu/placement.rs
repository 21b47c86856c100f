//! Which processor each thread of a team is kept on, if it is.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Keeps the calling thread on the processor of a team's first member. Threads that it starts later are kept there too: call
/// it in a thread that starts none. Where the system refuses, nothing changes.
pub fn pin_caller() {
    pin(0);
}

/// Keeps the calling thread on the processor of member `index`.
pub(super) fn pin(index: usize) {
    let processors = processors();
    let Some(&processor) = processors.get(index % processors.len().max(1)) else { return };
    let mut set = CpuSet::new();
    set.set(processor);
    if let Err(error) = sched_setaffinity(None, &set) {
        log::warn!("thread {index} is not kept on processor {processor}: {error}");
    }
}

/// The processors that this process may use: first one of each core, then the others of each.
fn processors() -> Vec<usize> {
    // Of the process's first thread: the calling one may be kept on one already.
    let process = rustix::process::getpid();
    let Ok(allowed) = sched_getaffinity(Some(process)) else { return Vec::new() };
    let mut ranked: Vec<(usize, usize)> =
        (0..CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu)).map(|cpu| (rank(cpu), cpu)).collect();
    ranked.sort_unstable();
    ranked.into_iter().map(|(_, cpu)| cpu).collect()
}

/// How many processors of the same core come before this one; 0 where the system does not tell.
fn rank(cpu: usize) -> usize {
    let path = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
    let siblings = std::fs::read_to_string(path).unwrap_or_default();
    list(&siblings).into_iter().filter(|&sibling| sibling < cpu).count()
}

/// Reads the kernel's lists: `0-1,64`.
fn list(text: &str) -> Vec<usize> {
    let mut all = Vec::new();
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<usize>(), last.parse::<usize>()) {
            all.extend((first..=last).take(CpuSet::MAX_CPU));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lists_are_read() {
        assert_eq!(list("0-1,64\n"), [0, 1, 64]);
        assert_eq!(list("7"), [7]);
        assert!(list("").is_empty() && list("x-").is_empty());
        assert!(list("0-18446744073709551615").len() <= CpuSet::MAX_CPU);
    }

    #[test]
    fn a_pinned_thread_runs_on_one_processor() {
        let processors = processors();
        std::thread::spawn(move || {
            pin(1);
            let set = sched_getaffinity(None).unwrap();
            assert_eq!(set.count(), 1);
            assert!(set.is_set(processors[1 % processors.len()]));
        })
        .join()
        .unwrap();
    }
}
