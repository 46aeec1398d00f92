//! The command line. Results go to standard output, diagnostics to standard error.
//!
//! Exit status: 0 it went well; 1 it ran and failed; 2 wrong usage, or a configuration that does not load.

mod check;
#[cfg(feature = "sandbox")]
mod demo;
mod doctor;
mod explain;
mod iam;
mod serve;
mod servers;

use crate::config::diagnostics::Diagnostics;
use crate::config::{self, Loaded};
use crate::policy::compile::{CompileContext, compile};
use crate::policy::policy_test::PolicyTest;
use crate::policy::{Issuer, Policy};
use crate::sessions::seal;
use crate::telemetry::{self, Log, LogFormat};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::fmt::Display;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

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
    /// Run the gateway with a sandbox identity provider and a sandbox SageMaker, all on loopback.
    #[cfg(feature = "sandbox")]
    Demo(DemoArgs),
}

#[derive(Debug, Args)]
struct ServeArgs {
    /// The configuration file (YAML).
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// How the log on standard error is written: for machines or for people.
    #[arg(long, value_enum, default_value_t = LogFormat::Json)]
    log_format: LogFormat,
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// The configuration file (YAML).
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Read the secrets and key files too.
    #[arg(long)]
    with_secrets: bool,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Args)]
struct ExplainArgs {
    /// The configuration file (YAML).
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// A JSON file with the claims of the person's token; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    claims: PathBuf,
    /// The issuer that asserts the claims; by default the only one, or the one that people sign in at.
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
    /// The address that the person comes from.
    #[arg(long, value_name = "IP")]
    client_ip: Option<IpAddr>,
    /// One destination, with a path below it or without; all of them as a table where left out.
    #[arg(value_name = "DESTINATION[/PATH]")]
    destination: Option<String>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Args)]
struct DoctorArgs {
    /// The configuration file (YAML).
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Look at what this person would open: a JSON file with the claims of their token; `-` reads standard input. Without
    /// it, targets that depend on the person are left out.
    #[arg(long = "as", value_name = "CLAIMS_FILE")]
    claims: Option<PathBuf>,
    /// The issuer that asserts the claims; by default the only one, or the one that people sign in at.
    #[arg(long, value_name = "NAME", requires = "claims")]
    issuer: Option<String>,
    /// The address that the person comes from.
    #[arg(long, value_name = "IP", requires = "claims")]
    client_ip: Option<IpAddr>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Args)]
struct IamArgs {
    /// The configuration file (YAML).
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Whose policies are printed: the gateway's, or those of the one who runs `postern servers`.
    #[arg(long = "for", value_enum, default_value_t = IamFor::Gateway)]
    whose: IamFor,
    /// The ARN of the role that Postern runs as; a placeholder stands in the policies where it is left out.
    #[arg(long, value_name = "ROLE_ARN")]
    principal: Option<String>,
    #[arg(long, value_enum, default_value_t = IamFormat::Text)]
    format: IamFormat,
}

#[derive(Debug, Subcommand)]
enum ServersCommand {
    /// Show what is to be done, by field. Changes nothing.
    Plan(PlanArgs),
    /// Show the plan, ask, and bring the servers to what is declared. May be stopped and run again.
    Apply(ApplyArgs),
    /// Show the state of the declared servers.
    Status(StatusArgs),
}

/// Which servers are meant, and as whom AWS is asked.
#[derive(Debug, Args)]
struct OperatorArgs {
    /// The configuration file (YAML).
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The profile of your AWS configuration files; by default the SDK's usual chain.
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// A role that your credentials assume. Not the gateway's.
    #[arg(long, value_name = "ROLE_ARN")]
    role_arn: Option<String>,
    /// The declared servers that are meant; by default all.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

#[derive(Debug, Args)]
struct PlanArgs {
    #[command(flatten)]
    operator: OperatorArgs,
    /// Exit with 1 where something is to be done.
    #[arg(long)]
    check: bool,
    /// Plan a changed artifact store as an update.
    #[arg(long)]
    accept_new_artifact_store: bool,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Args)]
struct ApplyArgs {
    #[command(flatten)]
    operator: OperatorArgs,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// Do not wait until AWS is done.
    #[arg(long)]
    no_wait: bool,
    /// How long to wait for one server.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = humantime::parse_duration)]
    timeout: Duration,
    /// How many servers this run may create.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    max_creates: usize,
    /// Send a changed artifact store to AWS.
    #[arg(long)]
    accept_new_artifact_store: bool,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Args)]
struct StatusArgs {
    #[command(flatten)]
    operator: OperatorArgs,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[cfg(feature = "sandbox")]
#[derive(Debug, Args)]
struct DemoArgs {
    /// The gateway's port on localhost; 0 takes a free one.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// How the log on standard error is written: for machines or for people.
    #[arg(long, value_enum, default_value_t = LogFormat::Human)]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum IamFor {
    Gateway,
    Operator,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum IamFormat {
    /// Headings and JSON documents, to paste.
    Text,
    /// All of it as one object.
    Json,
    /// One template for every account.
    Cloudformation,
}

/// How a command ended, other than well.
#[derive(Debug)]
enum Failed {
    /// It ran and failed; what there is to say has been printed, or is this.
    Ran(Option<String>),
    /// Wrong usage, or a configuration that does not load.
    Usage(String),
}

impl Failed {
    fn ran(why: impl Display) -> Self {
        Self::Ran(Some(why.to_string()))
    }
}

impl From<Box<Diagnostics>> for Failed {
    fn from(diagnostics: Box<Diagnostics>) -> Self {
        Self::Usage(diagnostics.to_string())
    }
}

pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Serve(args) => serve::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Iam(args) => iam::run(&args),
        Command::Servers(command) => servers::run(&command),
        Command::Schema => print_json(&config::schema()),
        Command::Keygen => print(&seal::generate_key()),
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

/// A configuration with its rules compiled.
#[derive(Debug)]
struct Configuration {
    loaded: Loaded,
    policy: Policy,
    tests: Vec<PolicyTest>,
}

fn load(path: &Path) -> Result<Configuration, Box<Diagnostics>> {
    compiled(config::load(path)?)
}

/// Compiles the rules, or says every error at once.
fn compiled(loaded: Loaded) -> Result<Configuration, Box<Diagnostics>> {
    let gateway = &loaded.gateway;
    let issuers: Vec<Issuer> = gateway.issuers.iter().flat_map(Issuer::all_of).collect();
    let context = CompileContext {
        region: &gateway.aws.region,
        role_arn: gateway.aws.role_arn.as_ref(),
        endpoint_url: gateway.aws.endpoint_url.as_ref(),
        trusted_proxies: &gateway.trusted_proxies,
        client_ip_known: gateway.knows_clients(),
        issuers: &issuers,
        default_issuer: gateway.sign_in.as_ref().map(|sign_in| &sign_in.issuer),
        tables: &loaded.tables,
    };
    match compile(&loaded.policy, &context) {
        Ok((policy, tests)) => Ok(Configuration { policy, tests, loaded }),
        Err(found) => Err(Box::new(Diagnostics::new(loaded.source, found))),
    }
}

fn print(line: &str) -> Result<(), Failed> {
    match writeln!(io::stdout(), "{line}") {
        // Whoever reads no further has what they wanted.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| Failed::ran(format!("standard output: {error}"))),
    }
}

/// What an admin should know beside the result, where the result is for machines.
fn note(text: &str) {
    _ = writeln!(io::stderr(), "note: {text}");
}

fn print_json(value: &serde_json::Value) -> Result<(), Failed> {
    print(&serde_json::to_string_pretty(value).unwrap_or_default())
}

/// `POSTERN_LOG` chooses what is logged, in the syntax of `RUST_LOG`.
fn install_logger(format: LogFormat) -> Result<Log, Failed> {
    telemetry::install(format, std::env::var("POSTERN_LOG").ok().as_deref()).map_err(Failed::Usage)
}
