//! The figures that the docs quote. Each is measured on this machine, from files, through the same code as the commands.

pub(crate) mod ask;
pub(crate) mod fhir;
pub(crate) mod import;
pub(crate) mod mllp;

/// Peak resident memory of this process so far, bytes; `None` where the kernel does not say.
pub(crate) fn peak_rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?.trim();
    kib.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// The value below which `share` (0 to 1) of the sorted values lie; 0 for none.
pub(crate) fn percentile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let index = (share * last as f64).ceil() as usize;
    sorted.get(index.min(last)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn percentiles_of_few_values() {
        let values = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(super::percentile(&values, 0.5), 3.0);
        assert_eq!(super::percentile(&values, 0.95), 4.0);
        assert_eq!(super::percentile(&[], 0.95), 0.0);
    }

    #[test]
    fn the_kernel_tells_the_peak() {
        assert!(super::peak_rss_bytes().unwrap() > 1 << 20);
    }
}
