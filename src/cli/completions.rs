//! `wharf completions` and `wharf man`: what a shell and a reader need to know of the command line, made from the command line
//! itself, so that neither can be out of date.

use std::io::Write;

use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;

use super::CliError;

/// What `wharf completions` takes.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// What `wharf man` takes.
#[derive(Debug, Args)]
pub struct ManArguments {
    /// The subcommand whose page is wanted (`presign put`), in place of the page on `wharf` itself.
    subcommand: Vec<String>,
}

/// Writes the completion script for `command`.
pub fn run(arguments: &Arguments, command: &mut Command, out: &mut impl Write) -> Result<(), CliError> {
    let name = command.get_name().to_owned();
    // The generator panics when its writer fails; a vector does not.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, command, name, &mut script);
    out.write_all(&script)?;
    Ok(())
}

/// Writes the manual page of `command` or of one of its subcommands, in roff.
pub fn run_man(arguments: &ManArguments, command: Command, out: &mut impl Write) -> Result<(), CliError> {
    let mut page = command.disable_help_subcommand(true);
    let source = format!("{} {}", page.get_name(), page.get_version().unwrap_or_default());
    // Building gives every subcommand its whole name, `wharf-presign-put`.
    page.build();
    for name in &arguments.subcommand {
        page = subcommand(&page, name)?;
    }
    Man::new(page).source(source).render(out)?;
    Ok(())
}

fn subcommand(command: &Command, name: &str) -> Result<Command, CliError> {
    command.find_subcommand(name).cloned().ok_or_else(|| CliError::Unknown {
        what: "subcommand",
        name: name.to_owned(),
        known: command.get_subcommands().map(|found| found.get_name().to_owned()).collect(),
    })
}
