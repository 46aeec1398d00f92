//! The command line. Results go to standard output, diagnostics to standard error.
//!
//! Exit status: 0 success; 1 the command ran and failed; 2 wrong usage, or a configuration that does not load.

mod args;
mod check;
mod configuration;
mod coverage;
#[cfg(feature = "sandbox")]
mod demo;
mod diff;
mod doctor;
mod explain;
mod iam;
mod init;
mod output;
mod prepared;
mod runtime;
mod serve;
mod servers;
mod terminal;

use self::args::{CheckArgs, DiffArgs, DoctorArgs, ExplainArgs, IamArgs, ServeArgs, ServersCommand};
use self::output::{Failed, print, print_json};
use crate::config;
use crate::sessions::seal;
use clap::{CommandFactory, Parser, Subcommand};
use std::io::{self, Write};
use std::process::ExitCode;

/// An authenticating gateway to Amazon SageMaker: one bookmark, the right person, a fresh one-time URL.
#[derive(Debug, Parser)]
#[command(name = "postern", version, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway.
    Serve(ServeArgs),
    /// Parse and compile a configuration and run its policy tests, offline.
    Check(CheckArgs),
    /// Show which rule decides for a person, and the resulting target.
    Explain(ExplainArgs),
    /// Show the people who gain access, lose access or land elsewhere by a change of the rules, offline.
    Diff(DiffArgs),
    /// Ask the identity provider, AWS and the shared state whether they are as the configuration needs them, and say what
    /// to fix. Nothing is started or opened.
    Doctor(DoctorArgs),
    /// Print the least IAM, trust and VPC endpoint policies that a configuration needs, offline.
    Iam(IamArgs),
    /// Create and keep MLflow tracking servers and Apps as the configuration declares them, with your own AWS
    /// credentials. Never deletes or replaces one.
    #[command(subcommand)]
    Servers(ServersCommand),
    /// Print the JSON Schema of the configuration, for editors.
    Schema,
    /// Print a fresh session key.
    Keygen,
    /// Write a first configuration that starts, and the key that seals sessions. Asks for each value that no flag
    /// gives; overwrites nothing.
    Init(args::InitArgs),
    /// Sign this terminal in at a gateway, by your browser.
    Login(args::LoginArgs),
    /// Print a run token for an MLflow destination, and nothing else.
    Token(args::TokenArgs),
    /// Open a destination in your browser.
    Open(args::OpenArgs),
    /// Sign this terminal out.
    Logout,
    /// Print a script that completes commands in your shell.
    Completions(args::CompletionsArgs),
    /// Run the gateway with a sandbox identity provider and a sandbox SageMaker, all on loopback.
    #[cfg(feature = "sandbox")]
    Demo(args::DemoArgs),
}

pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Serve(args) => serve::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Iam(args) => iam::run(&args),
        Command::Servers(command) => servers::run(&command),
        Command::Schema => print_json(&config::schema()),
        Command::Keygen => print(&seal::generate_key()),
        Command::Init(args) => init::run(&args),
        Command::Login(args) => terminal::login(&args),
        Command::Token(args) => terminal::token(&args),
        Command::Open(args) => terminal::open(&args),
        Command::Logout => terminal::logout(),
        Command::Completions(args) => completions(args.shell),
        #[cfg(feature = "sandbox")]
        Command::Demo(args) => demo::run(&args),
    };
    let (message, code) = match result {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failed::Ran(message)) => (message, 1),
        Err(Failed::Usage(message)) => (Some(message), 2),
    };
    if let Some(message) = message {
        // Standard error is the last resort: where it is closed, the exit status still tells.
        _ = writeln!(io::stderr(), "{}", message.trim_end());
    }
    ExitCode::from(code)
}

fn completions(shell: clap_complete::Shell) -> Result<(), Failed> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "postern", &mut script);
    print(String::from_utf8_lossy(&script).trim_end())
}
