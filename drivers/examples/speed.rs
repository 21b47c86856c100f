use haechi_drivers::bench::{Order, run};
use haechi_drivers::cpu::Level;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let n = |i: usize, d: usize| a.get(i).map_or(d, |x| x.parse().unwrap());
    let level = std::env::var("LEVEL").ok().map(|l| *Level::ALL.iter().find(|x| x.name() == l).unwrap());
    let r = run(
        std::path::Path::new(&a[1]),
        Order { prompt: n(2, 512), generate: n(3, 64), threads: n(4, 2), batch: n(5, 1), level },
    )
    .unwrap();
    println!("{r:?}");
}
