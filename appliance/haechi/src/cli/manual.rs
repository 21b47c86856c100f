//! `haechi manual`: the manual pages and shell completions of a package, made from the command line's own description.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::error::Failure;

#[derive(Debug, Args)]
pub(crate) struct ManualArgs {
    /// Folder to write to; `man1`, `bash`, `zsh` and `fish` are made in it
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(crate) fn run(args: &ManualArgs) -> Result<ExitCode, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new("HAECHI-0182", format_args!("the manual cannot be written: {error}"))
            .file(&args.out)
            .remedy("choose a folder you may write to with --out DIR")
    };
    let command = super::Cli::command();
    pages(&command, &args.out.join("man1")).map_err(failed)?;
    for (shell, folder, file) in
        [(Shell::Bash, "bash", "haechi"), (Shell::Zsh, "zsh", "_haechi"), (Shell::Fish, "fish", "haechi.fish")]
    {
        let folder = args.out.join(folder);
        fs::create_dir_all(&folder).map_err(failed)?;
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut command.clone(), "haechi", &mut text);
        fs::write(folder.join(file), text).map_err(failed)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A page for the program and one for each command, `haechi-bundle-build.1` and the like.
fn pages(command: &clap::Command, folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    // Without a date: the same program has the same manual, whenever it is built.
    clap_mangen::generate_to(command.clone().disable_help_subcommand(true), folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_names_every_command_and_is_the_same_twice() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let out = folder.path().join(name);
            run(&ManualArgs { out: out.clone() }).unwrap();
            fs::read(out.join("man1/haechi.1")).unwrap()
        };
        let page = write("a");
        assert_eq!(page, write("b"));
        let page = String::from_utf8(page).unwrap();
        assert!(page.contains("setup") && page.contains("doctor"));
        for file in ["man1/haechi-setup.1", "bash/haechi", "zsh/_haechi", "fish/haechi.fish"] {
            assert!(folder.path().join("a").join(file).exists(), "{file}");
        }
    }
}
