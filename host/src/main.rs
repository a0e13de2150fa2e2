//! `molecule-host`: runs an agent outside the Molecule AI platform as a first-class workspace.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
