//! `cargo run -p haechi-hospital --example generate -- PATIENTS SEED DIR`: the hospital without the appliance.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next();
    let (Some(patients), Some(seed), Some(out)) = (next(), next(), next()) else {
        eprintln!("usage: generate PATIENTS SEED DIR");
        return ExitCode::from(2);
    };
    let (Ok(patients), Ok(seed)) = (patients.parse(), seed.parse()) else {
        eprintln!("PATIENTS and SEED are whole numbers");
        return ExitCode::from(2);
    };
    let options = haechi_hospital::Options { patients, seed, out: out.into(), ..Default::default() };
    match haechi_hospital::generate(&options) {
        Ok(written) => {
            eprintln!("{written}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
