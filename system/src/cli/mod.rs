//! The `veil` program: one file a subcommand.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod account;
mod beside;
mod block;
mod capacity;
mod closed;
pub mod cluster;
mod describe;
mod dev;
mod directory;
mod duration;
pub mod environment;
mod escape;
mod file;
mod grant;
mod group;
pub mod health;
mod hide;
mod home;
mod image;
mod inbox;
mod inspect;
mod interrupt;
mod known_nodes;
mod leader;
pub mod lifeline;
mod list;
mod log;
mod member;
pub mod node;
mod online;
mod output;
mod pages;
mod passphrase;
mod password;
mod pending;
mod picture;
mod print;
mod register;
mod repair;
mod request;
mod restore;
mod reveal;
mod seal;
mod secret;
mod session;
mod show;
mod status;
mod terminal;
pub mod trust;
mod unreachable;
mod usage;
mod view;

use std::{process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use tokio::time::Instant;

use self::{
    file::{ensure_apart, read_file, read_sealed},
    home::HomeArgs,
    print::{Form, Stream, Unprinted, complain, say, say_json},
    trust::TrustArgs,
};
use crate::{
    client::Client,
    os_error::plain,
    wire::{address::AddressList, transport::Tcp},
};

/// Share images, and decide who may look and how often.
///
/// An owner seals a photo under a cover picture and grants views of it. A viewer opens the sealed
/// file; every view is counted by the cluster, and when the views are used up the cover is all there
/// is to see.
#[derive(Debug, Parser)]
#[command(name = "veil", version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Dev(dev::DevArgs),
    Node(node::NodeArgs),
    /// A node that ends with the process that has started it (used by `veil dev`).
    #[command(hide = true)]
    Child(node::NodeArgs),
    Health(health::HealthArgs),
    Register(register::RegisterArgs),
    Online(online::OnlineArgs),
    Stay(online::StayArgs),
    Login(account::LoginArgs),
    Logout(account::LogoutArgs),
    Sessions(account::SessionsArgs),
    Passwd(account::PasswdArgs),
    Rekey(account::RekeyArgs),
    Seal(seal::SealArgs),
    #[command(visible_alias = "images")]
    List(list::ListArgs),
    Describe(describe::DescribeArgs),
    Views(describe::ViewsArgs),
    Withdraw(describe::WithdrawArgs),
    View(view::ViewArgs),
    Inspect(inspect::InspectArgs),
    Repair(repair::RepairArgs),
    Hide(hide::HideArgs),
    Reveal(reveal::RevealArgs),
    Capacity(capacity::CapacityArgs),
    Grant(grant::GrantArgs),
    Ask(request::AskArgs),
    Requests(request::RequestsArgs),
    Answer(request::AnswerArgs),
    Inbox(inbox::InboxArgs),
    Block(block::BlockArgs),
    Unblock(block::UnblockArgs),
    Blocked(block::BlockedArgs),
    Usage(usage::UsageArgs),
    Group(group::GroupArgs),
    Restore(restore::RestoreArgs),
    Status(status::StatusArgs),
    Leader(leader::LeaderArgs),
    Member(member::MemberArgs),
    Directory(directory::DirectoryArgs),
    #[command(subcommand)]
    Cluster(cluster::ClusterCommand),
}

/// What every command that talks to a cluster takes.
#[derive(Debug, Args)]
struct ClusterArgs {
    /// Addresses of nodes, separated by commas; one that lives is enough.
    #[arg(
        long,
        env = "VEIL_NODES",
        value_name = "HOST:PORT",
        default_value = "127.0.0.1:7101,127.0.0.1:7102,127.0.0.1:7103"
    )]
    nodes: AddressList,
    #[command(flatten)]
    trust: TrustArgs,
    #[command(flatten)]
    home: HomeArgs,
    /// How long to keep trying: seconds, or a time such as 10s, 500ms or 2m.
    #[arg(
        long,
        value_parser = duration::parse,
        default_value = "10s",
        value_name = "TIME",
        allow_hyphen_values = true
    )]
    timeout: Duration,
    /// Print JSON, for scripts.
    #[arg(long)]
    json: bool,
}

impl ClusterArgs {
    fn client(&self) -> anyhow::Result<Client> {
        let network = self.trust.network(Arc::new(Tcp::default()), self.nodes.as_slice(), &self.home)?;
        let client = Client::new(network, self.nodes.as_slice().to_vec(), 1)?;
        unreachable::tell(&client, self.timeout);
        Ok(client)
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// Prints `value` as JSON if that was asked for, else `text`.
    fn print(&self, text: impl std::fmt::Display, value: serde_json::Value) -> anyhow::Result<()> {
        match self.json {
            true => say_json(&value)?,
            false => say(text)?,
        }
        Ok(())
    }

    /// The same of something that was done, which an error tells too if it cannot be printed.
    fn done(&self, text: impl std::fmt::Display, value: serde_json::Value) -> anyhow::Result<()> {
        Ok(Form::json_if(self.json).say_done(Stream::Output, text, &value)?)
    }
}

/// Logs to stderr, by default warnings only; `RUST_LOG` says otherwise.
pub fn init_tracing() {
    log::init();
}

/// Parses a command line and runs it: 0 done, 1 refused or failed, also if the answer could not be printed; 2 bad usage;
/// 141 if whoever read the answer stopped reading.
pub fn main(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> ExitCode {
    match Cli::try_parse_from(arguments) {
        Ok(cli) => run(cli),
        // What was asked for, such as --help; or what is wrong, after which nothing else is of interest.
        Err(told) if told.use_stderr() => {
            let _ = told.print();
            ExitCode::from(u8::try_from(told.exit_code()).unwrap_or(2))
        }
        Err(told) => match print::put_with(|_| told.print()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(unprinted) => unprinted.exit(),
        },
    }
}

/// Runs a parsed command line, with the exit codes of [`main`].
pub fn run(cli: Cli) -> ExitCode {
    // They make files with keys and sessions, of which a signal leaves nothing that is not whole.
    if let Command::Register(_)
    | Command::Login(_)
    | Command::Passwd(_)
    | Command::Rekey(_)
    | Command::Cluster(_) = &cli.command
    {
        interrupt::watch();
    }
    let done = match cli.command {
        Command::Dev(args) => block_on(dev::run(args)),
        Command::Node(args) => node::run(&args),
        Command::Child(args) => {
            lifeline::end_with_parent().map_err(Into::into).and_then(|()| node::run(&args))
        }
        Command::Health(args) => health::run(&args),
        Command::Register(args) => block_on(register::run(args)),
        Command::Online(args) => block_on(online::online(args)),
        Command::Stay(args) => block_on(online::stay(args)),
        Command::Login(args) => block_on(account::login(args)),
        Command::Logout(args) => block_on(account::logout(args)),
        Command::Sessions(args) => block_on(account::sessions(args)),
        Command::Passwd(args) => block_on(account::passwd(args)),
        Command::Rekey(args) => block_on(account::rekey(args)),
        Command::Seal(args) => block_on(seal::run(args)),
        Command::List(args) => block_on(list::run(args)),
        Command::Inspect(args) => match inspect::run(&args) {
            Ok(code) => return code,
            Err(error) => Err(error),
        },
        Command::Repair(args) => repair::run(&args),
        Command::Hide(args) => hide::run(args),
        Command::Reveal(args) => reveal::run(&args),
        Command::Capacity(args) => capacity::run(&args),
        Command::View(args) => block_on(view::run(args)),
        Command::Grant(args) => block_on(grant::run(args)),
        Command::Status(args) => block_on(status::run(args)),
        Command::Leader(args) => block_on(leader::run(args)),
        Command::Member(args) => block_on(member::run(args)),
        Command::Describe(args) => block_on(describe::describe(args)),
        Command::Views(args) => block_on(describe::views(args)),
        Command::Withdraw(args) => block_on(describe::withdraw(args)),
        Command::Ask(args) => block_on(request::ask(args)),
        Command::Requests(args) => block_on(request::requests(args)),
        Command::Answer(args) => block_on(request::answer(args)),
        Command::Inbox(args) => block_on(inbox::run(args)),
        Command::Block(args) => block_on(block::block(args)),
        Command::Unblock(args) => block_on(block::unblock(args)),
        Command::Blocked(args) => block_on(block::blocked(args)),
        Command::Usage(args) => block_on(usage::run(args)),
        Command::Group(args) => block_on(group::run(args)),
        Command::Restore(args) => block_on(restore::run(args)),
        Command::Directory(args) => block_on(directory::run(args)),
        Command::Cluster(command) => cluster::run(&command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast_ref::<Unprinted>() {
            Some(unprinted) => unprinted.exit(),
            None => {
                complain(format_args!("{}{}", describe(&error), unreachable::hint(&error)));
                ExitCode::FAILURE
            }
        },
    }
}

/// An error and its causes in one line. A cause that the line tells already is not told again. What the operating system
/// says is told in words.
pub fn describe(error: &anyhow::Error) -> String {
    let causes = error.chain().map(|cause| plain(&cause.to_string()).into_owned());
    causes.fold(String::new(), |line, cause| match line.contains(&cause) {
        _ if line.is_empty() => cause,
        true => line,
        false => format!("{line}: {cause}"),
    })
}

fn block_on<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.context("cannot start the runtime")?.block_on(command)
}

/// The largest sealed file that is read, bytes.
const SEALED_LIMIT: u64 = crate::peer::MAX_FILE_BYTES;

/// The largest cover that is read, bytes.
const COVER_LIMIT: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use anyhow::Context;
    use clap::Parser;

    use super::{Cli, describe};

    #[test]
    fn addresses_are_checked_wherever_they_are_typed() {
        let parse = |arguments: &[&str]| Cli::try_parse_from(["veil"].iter().chain(arguments));
        parse(&["status", "--nodes", " 127.0.0.1:7101, localhost:7102 ,[::1]:7103,"]).unwrap();
        for (arguments, said) in [
            (&["status", "--nodes", "127.0.0.1"][..], "\"127.0.0.1\" is no address: the port is missing"),
            (&["status", "--nodes", "n1:1,::1"], "\"::1\" is no address: an IPv6 address stands in brackets"),
            (&["leader", "--nodes", " , "], "is no address: it is empty"),
            (
                &["member", "add", "4", "--client", "0.0.0.0:7104", "--peer", "n4:7204"],
                "nobody is reached there",
            ),
            (&["member", "add", "4", "--client", "n4:7104", "--peer", "n4:0"], "port 0 is no port"),
            (&["member", "add", "4", "--client", "http://n4:7104", "--peer", "n4:7204"], "it is a URL"),
        ] {
            let refused = parse(arguments).unwrap_err().to_string();
            assert!(refused.contains(said), "{arguments:?}: {refused}");
        }
    }

    #[test]
    fn a_cause_is_told_once() {
        let cause = std::io::Error::other("no room");
        let error = anyhow::Error::new(cause).context("log.redb: no room").context("cannot start");
        assert_eq!(describe(&error), "cannot start: log.redb: no room");
        let plain = Err::<(), _>(anyhow::anyhow!("no room")).context("log.redb").unwrap_err();
        assert_eq!(describe(&plain), "log.redb: no room");
    }

    #[test]
    fn what_the_system_refuses_is_told_in_words_wherever_it_stands_in_the_chain() {
        let system = || std::io::Error::from_raw_os_error(2);
        let direct = anyhow::Error::new(system()).context("photo.png");
        assert_eq!(describe(&direct), "photo.png: no such file or folder");
        let told = anyhow::anyhow!("photo.png: {}", system());
        assert_eq!(describe(&told), "photo.png: no such file or folder");
        let both = anyhow::Error::new(system()).context(format!("photo.png: {}", system()));
        assert_eq!(describe(&both), "photo.png: no such file or folder");
    }
}
