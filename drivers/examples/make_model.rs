//! Writes a model with random weights: `make_model SHAPE RECIPE FILE [SEED]`.

use std::path::Path;
use std::process::ExitCode;

use haechi_drivers::quant::recipe::Recipe;
use haechi_drivers::shapes::{self, Shape};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (shape, recipe, file, seed) = match arguments.as_slice() {
        [shape, recipe, file] => (shape, recipe, file, Some(1)),
        [shape, recipe, file, seed] => (shape, recipe, file, seed.parse().ok()),
        _ => {
            eprintln!("usage: make_model SHAPE RECIPE FILE [SEED]");
            return ExitCode::from(2);
        }
    };
    let (Some(shape), Some(recipe), Some(seed)) = (Shape::named(shape), Recipe::named(recipe), seed) else {
        eprintln!("shapes: {}\nrecipes: {}\na seed is a whole number", Shape::names(), Recipe::names());
        return ExitCode::from(2);
    };
    match shapes::make_file(&shape, recipe, seed, Path::new(file)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
