//! What a backup of a site holds, and how a restored one is judged.

use std::any::Any;
use std::fs;
use std::path::{Path, PathBuf};

use haechi_backup::{Content, Source};
use haechi_record::key::Key;

use crate::error::Failure;
use crate::home::Home;

/// Deepest folder that is looked into: the files of images lie two deep.
const MAX_DEPTH: usize = 16;

/// Everything that lies in `home` but what is made anew: sockets, the memory of backups, and the models unless asked for.
///
/// The order is part of it: the queue before the record and the record before the files. What leaves the queue while it is
/// copied is then in the record, and every file that the record names is there; what stands in both is filed once.
pub(crate) fn sources(home: &Home, with_models: bool) -> Result<Vec<Source>, Failure> {
    let mut found = Vec::new();
    let mut left_out = vec![home.run_folder()];
    if !with_models {
        left_out.push(home.models_folder());
    }
    walk(home.path(), &left_out, 0, &mut found)?;
    let rank = |path: &PathBuf| {
        if *path == home.queue_file() {
            0
        } else if *path == home.record_file() {
            1
        } else {
            2 + u8::from(path.starts_with(home.files_folder()))
        }
    };
    found.sort_by(|one, other| (rank(one), one).cmp(&(rank(other), other)));
    found.into_iter().map(|path| source(home, path)).collect()
}

fn source(home: &Home, path: PathBuf) -> Result<Source, Failure> {
    let name = path.strip_prefix(home.path()).ok().and_then(Path::to_str).map(str::to_owned);
    let name = name.ok_or_else(|| {
        Failure::new("HAECHI-0162", "a file's name is no UTF-8").file(&path).effect("no backup was made")
    })?;
    let content = if is_database(&path) {
        let (file, home) = (path.clone(), home.clone());
        let pin = move || {
            let key = home.key().map_err(|failure| failure.to_string())?;
            let pinned = haechi_record::pin(&file, &key).map_err(|error| error.to_string())?;
            Ok(Box::new(pinned) as Box<dyn Any>)
        };
        Content::Database { path, pin: Box::new(pin) }
    } else {
        Content::File(path)
    };
    Ok(Source { name, content })
}

fn is_database(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "db")
}

/// Files that another process may make or take away at any moment, or that come with their database.
fn passes(path: &Path, home_backup: bool) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    !(["-wal", "-shm", "-journal"].iter().any(|tail| name.ends_with(tail))
        || matches!(ending, "draft" | "part" | "lock")
        || name == "lock"
        || name.contains(".new.")
        || (home_backup && name.starts_with("known-")))
}

fn walk(folder: &Path, left_out: &[PathBuf], depth: usize, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::new("HAECHI-0162", format_args!("the state folder cannot be read: {error}"))
            .file(folder)
            .effect("no backup was made")
            .remedy("run it as the user that runs haechi, or as root")
    };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() && !left_out.contains(&path) && depth < MAX_DEPTH {
            walk(&path, left_out, depth + 1, found)?;
        } else if kind.is_file() && passes(&path, folder.ends_with("backup")) {
            found.push(path);
        }
    }
    Ok(())
}

/// Opens every database of a restored state with its key and looks for damage.
pub(crate) fn judge(folder: &Path) -> Result<(), String> {
    let home = Home::at(Some(folder.to_owned()));
    let key = Key::load_or_create(&home.key_file(), true).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    walk(folder, &[], 0, &mut found).map_err(|failure| failure.to_string())?;
    for path in found.iter().filter(|path| is_database(path)) {
        let health = haechi_record::check(path, &key).map_err(|error| error.to_string())?;
        if let Some(problem) = health.problems.first() {
            return Err(format!("{}: {problem}", path.strip_prefix(folder).unwrap_or(path).display()));
        }
    }
    Ok(())
}
