use haechi_drivers::cpu::*;
fn main() {
    let level = std::env::var("LEVEL").ok().map_or_else(Level::detect, |l| *Level::ALL.iter().find(|x| x.name() == l).unwrap());
    for c in [512usize, 2048] { println!("columns {c}");
    for k in kernel_figures(level, c).unwrap() { println!("{:6} T={} cold {:6.1} GB/s warm {:6.0} GOPS", k.format, k.tokens, k.cold_gb_per_s, k.warm_gops); } }
}
