//! What an agent may take of the machine: the flags.

use std::time::Duration;

use clap::Args;
use molecule_host::runtime::{Cause, Limits, Refusal, Resource};
use molecule_host::{AgentSpec, HostBuilder};

use super::units;

/// What the agent may take of the machine.
#[derive(Debug, Default, Clone, Args)]
#[command(next_help_heading = "Limits (sizes as in 256MiB, times as in 30s)")]
pub(super) struct LimitArgs {
    /// Memory of the agent [default: 256MiB]
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub(super) max_memory: Option<usize>,
    /// Elements of its tables, all together [default: 1000000]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    pub(super) max_table_elements: Option<u32>,
    /// Core instances that it may be made of, and as many tables and memories [default: 64]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(super) max_instances: Option<u16>,
    /// Stack of its functions [default: 1MiB]
    #[arg(long, value_name = "SIZE", value_parser = stack)]
    pub(super) max_stack: Option<usize>,
    /// CPU time of one callback, of which it dies [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = callback_cpu)]
    pub(super) callback_cpu: Option<Duration>,
    /// CPU time in a minute, after which it waits for the next; 60s for no bound [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = cpu_per_minute)]
    pub(super) cpu_per_minute: Option<Duration>,
    /// Time that one message may take, waits included [default: 10m]
    #[arg(long, value_name = "TIME", value_parser = callback_timeout)]
    pub(super) callback_timeout: Option<Duration>,
    /// Messages that the agent handles at once, 1 to 1024 [default: what it asks for, 16 at most]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) concurrency: Option<u16>,
    /// Messages that wait for the agent; what comes above that waits at the platform [default: 10000]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) max_mailbox: Option<u32>,
    /// Bytes of these messages [default: 256MiB]
    #[arg(long, value_name = "SIZE", value_parser = mailbox_bytes)]
    pub(super) max_mailbox_bytes: Option<usize>,
    /// Lines that it logs and prints in a minute; what comes above that is dropped and counted [default: 3000]
    #[arg(long, value_name = "COUNT")]
    pub(super) max_log_lines: Option<u32>,
    /// Bytes of these lines in a minute [default: 1MiB]
    #[arg(long, value_name = "SIZE", value_parser = log_bytes)]
    pub(super) max_log_bytes: Option<usize>,
}

impl LimitArgs {
    /// What is said here, and else what is said there.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            max_memory: self.max_memory.or(other.max_memory),
            max_table_elements: self.max_table_elements.or(other.max_table_elements),
            max_instances: self.max_instances.or(other.max_instances),
            max_stack: self.max_stack.or(other.max_stack),
            callback_cpu: self.callback_cpu.or(other.callback_cpu),
            cpu_per_minute: self.cpu_per_minute.or(other.cpu_per_minute),
            callback_timeout: self.callback_timeout.or(other.callback_timeout),
            concurrency: self.concurrency.or(other.concurrency),
            max_mailbox: self.max_mailbox.or(other.max_mailbox),
            max_mailbox_bytes: self.max_mailbox_bytes.or(other.max_mailbox_bytes),
            max_log_lines: self.max_log_lines.or(other.max_log_lines),
            max_log_bytes: self.max_log_bytes.or(other.max_log_bytes),
        }
    }
}

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const GIB: usize = 1 << 30;

fn memory(text: &str) -> Result<usize, String> {
    // More than this a component of wasm32 cannot have.
    units::size(text, 64 * KIB..=4 * GIB)
}

fn stack(text: &str) -> Result<usize, String> {
    units::size(text, 64 * KIB..=64 * MIB)
}

fn mailbox_bytes(text: &str) -> Result<usize, String> {
    units::size(text, KIB..=64 * GIB)
}

fn log_bytes(text: &str) -> Result<usize, String> {
    units::size(text, 0..=GIB)
}

fn callback_cpu(text: &str) -> Result<Duration, String> {
    units::time(text, Duration::from_millis(10)..=Duration::from_secs(86_400))
}

fn cpu_per_minute(text: &str) -> Result<Duration, String> {
    units::time(text, Duration::from_millis(10)..=Duration::from_secs(60))
}

fn callback_timeout(text: &str) -> Result<Duration, String> {
    units::time(text, Duration::from_millis(100)..=Duration::from_secs(86_400))
}

/// Changes what was said, and leaves the rest of `spec` as it is. The stack is the host's and not the agent's.
pub(super) fn limit(spec: &mut AgentSpec, args: &LimitArgs) {
    spec.limits = limits(args);
    set(&mut spec.mailbox.messages, args.max_mailbox.map(u64::from));
    set(&mut spec.mailbox.bytes, args.max_mailbox_bytes.map(|it| it as u64));
    set(&mut spec.callback_time, args.callback_timeout);
    spec.concurrency = args.concurrency.map(usize::from).or(spec.concurrency);
}

/// A host whose agents have a stack of this size, where one is said.
pub(super) fn with_stack(builder: HostBuilder, stack_bytes: Option<usize>) -> HostBuilder {
    match stack_bytes {
        Some(bytes) => builder.stack_bytes(bytes),
        None => builder,
    }
}

/// The runtime's part of it, within which an agent is asked who it is, too.
pub(super) fn limits(args: &LimitArgs) -> Limits {
    let mut limits = Limits::default();
    set(&mut limits.memory_bytes, args.max_memory);
    set(&mut limits.table_elements, args.max_table_elements.map(|it| it as usize));
    set(&mut limits.instances, args.max_instances.map(usize::from));
    set(&mut limits.callback_cpu, args.callback_cpu);
    set(&mut limits.cpu_per_minute, args.cpu_per_minute);
    set(&mut limits.log_lines_per_minute, args.max_log_lines);
    set(&mut limits.log_bytes_per_minute, args.max_log_bytes);
    limits
}

fn set<T>(value: &mut T, said: Option<T>) {
    if let Some(said) = said {
        *value = said;
    }
}

/// The flag that would have let an agent live, where there is one.
pub(super) fn flag_against(cause: &Cause) -> Option<&'static str> {
    match cause {
        Cause::Limit(Refusal { resource, .. }) => Some(match resource {
            Resource::Memory => "--max-memory",
            Resource::Tables => "--max-table-elements",
            Resource::Instances => "--max-instances",
        }),
        Cause::OutOfCpu { .. } => Some("--callback-cpu"),
        Cause::StackOverflow => Some("--max-stack"),
        Cause::TimedOut { throttled: true, .. } => Some("--cpu-per-minute"),
        Cause::TimedOut { callback: "on-message" | "on-tick" | "on-pause" | "on-resume", .. } => {
            Some("--callback-timeout")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command, FromArgMatches};
    use molecule_host::gate::ByteSize;

    use super::*;

    fn limited(line: &str) -> AgentSpec {
        let words = std::iter::once("it").chain(line.split_whitespace());
        let matches = LimitArgs::augment_args(Command::new("it")).try_get_matches_from(words).unwrap();
        let args = LimitArgs::from_arg_matches(&matches).unwrap();
        let id = "3d6f0a52-8f0e-4a37-9a5e-0d4f4c1f9b11".parse().unwrap();
        let mut spec = AgentSpec::new("http://p".parse().unwrap(), id);
        limit(&mut spec, &args);
        spec
    }

    /// Change a default and forget the help, or the other way round, and this fails.
    #[test]
    fn the_defaults_are_what_the_help_says() {
        let command = LimitArgs::augment_args(Command::new("it"));
        let mut said = Vec::new();
        for argument in command.get_arguments() {
            let (Some(flag), Some(help)) = (argument.get_long(), argument.get_help()) else { continue };
            let help = help.to_string();
            let (_, default) = help.split_once("[default: ").expect("a default");
            let default = default.trim_end_matches(']');
            // These are no words of an agent's spec.
            if !["concurrency", "max-stack"].contains(&flag) {
                said.push(format!("--{flag} {default}"));
            }
        }
        let (with, without) = (limited(&said.join(" ")), limited(""));
        assert_eq!(format!("{with:?}"), format!("{without:?}"));
        let stack = molecule_host::runtime::RuntimeOptions::default().stack_bytes;
        assert!(command.get_arguments().any(|it| {
            it.get_long() == Some("max-stack")
                && it
                    .get_help()
                    .is_some_and(|help| help.to_string().contains(&ByteSize::of(stack as u64).to_string()))
        }));
    }

    #[test]
    fn each_flag_limits_one_thing() {
        let spec = limited(
            "--max-memory 64MiB --max-table-elements 7 --max-instances 8 --callback-cpu 500ms --cpu-per-minute 6s \
             --callback-timeout 2m --concurrency 3 --max-mailbox 9 --max-mailbox-bytes 1MiB --max-log-lines 5 \
             --max-log-bytes 2KiB",
        );
        let limits = &spec.limits;
        assert_eq!((limits.memory_bytes, limits.table_elements, limits.instances), (64 * MIB, 7, 8));
        assert_eq!(limits.callback_cpu, Duration::from_millis(500));
        assert_eq!(limits.cpu_per_minute, Duration::from_secs(6));
        assert_eq!((limits.log_lines_per_minute, limits.log_bytes_per_minute), (5, 2 * KIB));
        assert_eq!((spec.mailbox.messages, spec.mailbox.bytes), (9, MIB as u64));
        assert_eq!((spec.callback_time, spec.concurrency), (Duration::from_secs(120), Some(3)));
    }
}
