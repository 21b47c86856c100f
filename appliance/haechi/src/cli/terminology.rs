//! `haechi terminology`: code systems of the site.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::Value;

use super::{Common, terminal};
use crate::error::Failure;
use crate::site::{self, Load, Lookup, Mapping};

#[derive(Debug, Subcommand)]
pub(crate) enum TerminologyCommand {
    /// Load a code system from its publisher's files
    Import {
        #[command(flatten)]
        common: Common,
        /// kcd, icd10, icd10cm, edi-procedure, edi-medication, edi-material, kd, main-ingredient, atc, loinc, snomed, rxnorm or ucum
        #[arg(long, value_name = "SYSTEM")]
        system: String,
        /// The publisher's version
        #[arg(long, value_name = "VERSION")]
        version: String,
        /// First day on which its codes are used [default: always; KCD 8 and 9 know theirs]
        #[arg(long, value_name = "YYYY-MM-DD")]
        from: Option<String>,
        /// Last day
        #[arg(long, value_name = "YYYY-MM-DD")]
        to: Option<String>,
        /// Where a table has other headings: code=HEADING, korean=, english=, ingredient=, atc=, product=
        #[arg(long = "column", value_name = "FIELD=HEADING", value_parser = column)]
        columns: Vec<(String, String)>,
        /// Files, or folders that are looked through
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
    /// The editions that are loaded
    List(Common),
    /// What a code means, or which codes are called so, in Korean or English
    Lookup {
        #[command(flatten)]
        common: Common,
        /// Only this code system
        #[arg(long, value_name = "SYSTEM")]
        system: Option<String>,
        /// The day of the encounter: which revision holds [default: the newest]
        #[arg(long, value_name = "YYYY-MM-DD")]
        date: Option<String>,
        /// Codes shown at most where words are looked up
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
        /// A code, or words of a name
        text: String,
    },
    /// Where a code leads in another system
    Map {
        #[command(flatten)]
        common: Common,
        /// Its code system
        #[arg(long, value_name = "SYSTEM")]
        system: String,
        /// The other one
        #[arg(long, value_name = "SYSTEM")]
        to: String,
        /// The day of the encounter [default: the newest editions]
        #[arg(long, value_name = "YYYY-MM-DD")]
        date: Option<String>,
        /// The code
        code: String,
    },
}

fn column(text: &str) -> Result<(String, String), String> {
    const FIELDS: &[&str] = &["code", "korean", "english", "ingredient", "atc", "product", "cancelled", "name"];
    match text.split_once('=') {
        Some((field, heading)) if FIELDS.contains(&field) && !heading.is_empty() => {
            Ok((field.to_owned(), heading.to_owned()))
        }
        _ => Err(format!("FIELD=HEADING, where FIELD is one of {}", FIELDS.join(", "))),
    }
}

pub(crate) fn run(command: TerminologyCommand) -> Result<ExitCode, Failure> {
    let (json, value, words): (bool, Value, fn(&Value) -> String) = match command {
        TerminologyCommand::Import { common, system, version, from, to, columns, paths } => {
            let load = Load { system, version, from, to, columns: columns.into_iter().collect::<BTreeMap<_, _>>() };
            (common.json, site::reach_or_create(common.home)?.terminology_load(&load, &paths)?, loaded)
        }
        TerminologyCommand::List(common) => (common.json, site::reach(common.home)?.terminology_list()?, listed),
        TerminologyCommand::Lookup { common, system, date, limit, text } => {
            let lookup = Lookup { text, system, date, limit };
            (common.json, site::reach(common.home)?.terminology_lookup(&lookup)?, found)
        }
        TerminologyCommand::Map { common, system, to, date, code } => {
            let mapping = Mapping { system, code, target: to, date };
            (common.json, site::reach(common.home)?.terminology_map(&mapping)?, mapped)
        }
    };
    if json {
        terminal::json(&value)?;
    } else {
        terminal::line(&words(&value));
    }
    Ok(ExitCode::SUCCESS)
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value.get(field).and_then(Value::as_str).unwrap_or("")
}

fn number(value: &Value, field: &str) -> u64 {
    value.get(field).and_then(Value::as_u64).unwrap_or(0)
}

fn items<'v>(value: &'v Value, field: &str) -> &'v [Value] {
    value.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn lines(value: &Value, nothing: &str, line: impl Fn(&Value) -> String) -> String {
    match value.as_array() {
        Some(items) if !items.is_empty() => items.iter().map(line).collect::<Vec<_>>().join("\n"),
        _ => nothing.to_owned(),
    }
}

fn loaded(value: &Value) -> String {
    let mut said = format!("{} {}", text(value, "system"), text(value, "version"));
    for file in items(value, "files") {
        let name = text(file, "file");
        if file.get("unchanged").and_then(Value::as_bool) == Some(true) {
            said.push_str(&format!("\n  {name}: unchanged"));
            continue;
        }
        let (rows, rejected) = (number(file, "rows"), number(file, "rejected"));
        said.push_str(&format!(
            "\n  {name}: {} rows, {} put aside",
            terminal::thousands(rows),
            terminal::thousands(rejected)
        ));
        for told in items(file, "told").iter().take(5) {
            let line = told.get(0).and_then(Value::as_u64).unwrap_or(0);
            let reason = told.get(1).and_then(Value::as_str).unwrap_or("");
            said.push_str(&format!("\n    line {line}: {reason}"));
        }
    }
    said
}

fn period(value: &Value) -> String {
    match (text(value, "valid_from"), text(value, "valid_to")) {
        ("", "") => String::new(),
        (from, to) => format!("  {from}..{to}"),
    }
}

fn listed(value: &Value) -> String {
    lines(value, "no code system is loaded; `haechi terminology import` loads one", |edition| {
        format!(
            "{} {}{}  {} codes, {} names, {} mappings",
            text(edition, "system"),
            text(edition, "version"),
            period(edition),
            terminal::thousands(number(edition, "concepts")),
            terminal::thousands(number(edition, "designations")),
            terminal::thousands(number(edition, "mappings"))
        )
    })
}

fn found(value: &Value) -> String {
    lines(value, "nothing found in the code systems that are loaded", |code| {
        let retired = if code.get("active").and_then(Value::as_bool) == Some(false) { "  retired" } else { "" };
        let mut said = format!(
            "{} {} ({}){}{retired}",
            text(code, "system"),
            text(code, "code"),
            text(code, "version"),
            period(code)
        );
        for name in items(code, "designations") {
            said.push_str(&format!("\n  {}  {}  ({})", text(name, "language"), text(name, "text"), text(name, "kind")));
        }
        said
    })
}

fn mapped(value: &Value) -> String {
    lines(value, "no way to that system in what is loaded", |mapped| {
        let path: Vec<&str> = items(mapped, "path").iter().filter_map(Value::as_str).collect();
        format!(
            "{} {}  {}  {}\n  {}",
            text(mapped, "system"),
            text(mapped, "code"),
            text(mapped, "equivalence"),
            text(mapped, "display"),
            path.join(" -> ")
        )
    })
}
