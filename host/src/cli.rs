//! The command line.
//!
//! [`parse`] and [`settings`] turn words, variables and files into what the library wants; [`run`], [`dev`] and [`up`] do
//! it; [`report`] and [`log`] say what happens, and [`prompt`] asks; [`failure`] says why it ends, by one line and an exit code. [`board`] is
//! what a running host tells its operator, over the socket of [`control`]; [`ps`], [`logs`] and [`inbox`] ask.

mod args;
mod backup;
mod banner;
mod board;
mod build;
mod console;
mod control;
mod dev;
mod escape;
mod failure;
mod files;
mod inbox;
mod keys;
mod limits;
mod load;
mod log;
mod logs;
mod metrics;
mod parse;
mod plugin;
mod policy;
mod prompt;
mod ps;
mod report;
mod run;
mod screen;
mod service;
mod settings;
mod signals;
mod table;
mod token;
mod units;
mod up;
mod values;

use std::future::Future;
use std::process::ExitCode;

use self::args::OutputArgs;
use self::console::Console;
use self::failure::{Exit, Failure};
use self::parse::Command;
use self::service::Service;
use self::settings::{Environment, RunSettings, UsageError};
use self::signals::{Hangup, Signals};

/// Does what the command line of this process says, and how that went.
pub(crate) fn main() -> ExitCode {
    let environment = Environment::of_process();
    let command = match parse::parse(std::env::args_os().skip(1)) {
        Ok(command) => command,
        // Somebody who does not read the help he asked for is no reason to fail.
        Err(shown) if parse::is_shown(&shown) => {
            let _ = shown.print();
            return Exit::Done.into();
        }
        Err(wrong) => {
            let wrong = Failure::Usage(UsageError(parse::explain(&wrong)));
            Console::new(&OutputArgs::default()).failure(&wrong, None);
            return wrong.exit().into();
        }
    };
    let quiet = OutputArgs::default();
    let output = match &command {
        Command::Run(args) => &args.output,
        Command::Dev(args) => &args.output,
        Command::Up(args) => &args.output,
        Command::Ps(_)
        | Command::Logs(_)
        | Command::Inbox(_)
        | Command::Backup(_)
        | Command::Plugin(_)
        | Command::Token(_)
        | Command::Policy(_) => &quiet,
    };
    let console = Console::new(output);
    let (log, done) = match log::start(output, &environment) {
        Ok(log) => (Some(log), execute(command, &environment, console)),
        Err(wrong) => (None, Err(Failure::Usage(wrong))),
    };
    match done {
        Ok(()) | Err(Failure::Stopped) => Exit::Done.into(),
        Err(failure) => {
            console.failure(&failure, log);
            failure.exit().into()
        }
    }
}

fn execute(command: Command, environment: &Environment, console: Console) -> Result<(), Failure> {
    match command {
        Command::Run(args) => {
            let settings = RunSettings::new(*args, environment)?;
            let service = Service::new(environment)?;
            on_threads(Hangup::IsItsOwn, |signals| run::run(settings, console, signals, service))
        }
        Command::Dev(args) => {
            let settings = dev::DevSettings::new(*args, environment)?;
            on_threads(Hangup::Stops, |signals| dev::dev(settings, console, signals))
        }
        Command::Up(args) => {
            let settings = up::UpSettings::new(args, environment)?;
            let service = Service::new(environment)?;
            on_threads(Hangup::IsItsOwn, |signals| up::up(settings, signals, service))
        }
        Command::Ps(args) => ps::ps(args, environment, console),
        Command::Logs(args) => logs::logs(args, environment, console),
        Command::Inbox(args) => inbox::inbox(args, environment, console),
        Command::Backup(args) => backup::backup(args, environment, console),
        Command::Plugin(args) => plugin::plugin(*args, environment, console),
        Command::Token(args) => token::token(*args, environment, console),
        Command::Policy(args) => policy::policy(args, console),
    }
}

/// Runs a command to its end, or to the second signal.
fn on_threads<F>(hangup: Hangup, command: impl FnOnce(Signals) -> F) -> Result<(), Failure>
where
    F: Future<Output = Result<(), Failure>>,
{
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::System)?;
    let done = runtime.block_on(async {
        let signals = Signals::listen(hangup).map_err(Failure::System)?;
        tokio::select! {
            done = command(signals.clone()) => done,
            () = signals.second() => Err(Failure::Stopped),
        }
    });
    // A compilation, or a read from standard input, may still be under way and cannot be called off.
    runtime.shutdown_background();
    done
}
