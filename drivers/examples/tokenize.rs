//! Tokens of texts, for `tests/performance/tokenizers.py`: `tokenize MODEL < TEXTS > IDS`.
//!
//! Each text is its length in bytes (32 bits, little-endian) and its bytes; each answer is a line of ids, with spaces between.

use std::error::Error;
use std::io::{Read, Write, stdin, stdout};
use std::path::Path;

use haechi_drivers::gguf::File;
use haechi_drivers::tokenizer::Tokenizer;

fn main() -> Result<(), Box<dyn Error>> {
    let model = std::env::args_os().nth(1).ok_or("usage: tokenize MODEL < TEXTS > IDS")?;
    let file = File::open(Path::new(&model))?;
    let tokenizer = Tokenizer::from_header(file.header())?;
    let mut texts = Vec::new();
    stdin().lock().read_to_end(&mut texts)?;
    let mut rest = texts.as_slice();
    let mut lines = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk() {
        let (text, after) = after.split_at_checked(u32::from_le_bytes(*length) as usize).ok_or("a text is cut off")?;
        let tokens = tokenizer.encode(std::str::from_utf8(text)?)?;
        let ids: Vec<String> = tokens.iter().map(u32::to_string).collect();
        writeln!(lines, "{}", ids.join(" "))?;
        rest = after;
    }
    Ok(stdout().lock().write_all(&lines)?)
}
