//! The arguments of each command. The comments here are its `--help`.

use crate::telemetry::LogFormat;
use clap::{Args, Subcommand, ValueEnum};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// The configuration file (YAML).
    #[arg(long, value_name = "FILE")]
    pub(super) config: PathBuf,
    /// How the log on standard error is written: for machines or for people.
    #[arg(long, value_enum, default_value_t = LogFormat::Json)]
    pub(super) log_format: LogFormat,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The configuration file (YAML).
    #[arg(long, value_name = "FILE")]
    pub(super) config: PathBuf,
    /// Read the secrets and key files too.
    #[arg(long)]
    pub(super) with_secrets: bool,
    /// Show the parts that no policy test reaches, and tests that would reach them; with a number, exit with 1 where
    /// less than so many percent are reached.
    #[arg(long, value_name = "PERCENT", num_args = 0..=1, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(super) coverage: Option<Option<u8>>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The configuration file (YAML).
    #[arg(long, value_name = "FILE")]
    pub(super) config: PathBuf,
    /// A JSON file with the claims of the person's token; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    pub(super) claims: PathBuf,
    /// The issuer that asserts the claims; by default the only one, or the one that people sign in at.
    #[arg(long, value_name = "NAME")]
    pub(super) issuer: Option<String>,
    /// The address that the person comes from.
    #[arg(long, value_name = "IP")]
    pub(super) client_ip: Option<IpAddr>,
    /// One destination, with a path below it or without; all of them as a table where left out.
    #[arg(value_name = "DESTINATION[/PATH]")]
    pub(super) destination: Option<String>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// The new configuration (YAML).
    #[arg(long, value_name = "FILE")]
    pub(super) config: PathBuf,
    /// The configuration to compare with; without it, the decisions on record are the old ones.
    #[arg(long, value_name = "FILE")]
    pub(super) against: Option<PathBuf>,
    /// Audit trails, plain or gzipped, or lists of claims, one JSON object a line; `-` reads standard input.
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    pub(super) people: Vec<PathBuf>,
    /// The issuer that asserts the claims of a list; by default the only one, or the one that people sign in at.
    #[arg(long, value_name = "NAME")]
    pub(super) issuer: Option<String>,
    /// List the people.
    #[arg(long)]
    pub(super) names: bool,
    /// Exit with 1 where a change of this kind is found.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "KIND,…")]
    pub(super) fail_on: Vec<FailOn>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FailOn {
    Gain,
    Loss,
    /// Another target, region or role.
    Change,
    /// The right to start what they may open as before.
    StartGain,
    StartLoss,
    /// People and destinations that cannot be judged.
    Unknown,
}

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// The configuration file (YAML).
    #[arg(long, value_name = "FILE")]
    pub(super) config: PathBuf,
    /// Examine the targets that this person would open: a JSON file with the claims of their token; `-` reads standard
    /// input. Without it, targets that depend on the person are left out.
    #[arg(long = "as", value_name = "CLAIMS_FILE")]
    pub(super) claims: Option<PathBuf>,
    /// The issuer that asserts the claims; by default the only one, or the one that people sign in at.
    #[arg(long, value_name = "NAME", requires = "claims")]
    pub(super) issuer: Option<String>,
    /// The address that the person comes from.
    #[arg(long, value_name = "IP", requires = "claims")]
    pub(super) client_ip: Option<IpAddr>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

#[derive(Debug, Args)]
pub(super) struct IamArgs {
    /// The configuration file (YAML).
    #[arg(long, value_name = "FILE")]
    pub(super) config: PathBuf,
    /// The holder of the printed policies: the gateway, or the operator who runs `postern servers`.
    #[arg(long = "for", value_enum, default_value_t = IamFor::Gateway)]
    pub(super) whose: IamFor,
    /// The ARN of the role that Postern runs as; a placeholder stands in the policies where it is left out.
    #[arg(long, value_name = "ROLE_ARN")]
    pub(super) principal: Option<String>,
    #[arg(long, value_enum, default_value_t = IamFormat::Text)]
    pub(super) format: IamFormat,
}

#[derive(Debug, Subcommand)]
pub(super) enum ServersCommand {
    /// Show the changes to be made, by field. Changes nothing.
    Plan(PlanArgs),
    /// Show the plan, ask, and bring the servers to their declared state. May be stopped and run again.
    Apply(ApplyArgs),
    /// Show the state of the declared servers.
    Status(StatusArgs),
}

/// The servers that are meant, and the identity that asks AWS.
#[derive(Debug, Args)]
pub(super) struct OperatorArgs {
    /// The configuration file (YAML).
    #[arg(long, value_name = "FILE")]
    pub(super) config: PathBuf,
    /// The profile of your AWS configuration files; by default the SDK's usual chain.
    #[arg(long, value_name = "NAME")]
    pub(super) profile: Option<String>,
    /// A role that your credentials assume. Not the gateway's.
    #[arg(long, value_name = "ROLE_ARN")]
    pub(super) role_arn: Option<String>,
    /// The declared servers that are meant; by default all.
    #[arg(value_name = "NAME")]
    pub(super) names: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    pub(super) operator: OperatorArgs,
    /// Exit with 1 where there are changes to be made.
    #[arg(long)]
    pub(super) check: bool,
    /// Plan a changed artifact store as an update.
    #[arg(long)]
    pub(super) accept_new_artifact_store: bool,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

#[derive(Debug, Args)]
pub(super) struct ApplyArgs {
    #[command(flatten)]
    pub(super) operator: OperatorArgs,
    /// Do not ask.
    #[arg(long)]
    pub(super) yes: bool,
    /// Do not wait until AWS is done.
    #[arg(long)]
    pub(super) no_wait: bool,
    /// How long to wait for one server.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = humantime::parse_duration)]
    pub(super) timeout: Duration,
    /// How many servers this run may create.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(super) max_creates: usize,
    /// Send a changed artifact store to AWS.
    #[arg(long)]
    pub(super) accept_new_artifact_store: bool,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    pub(super) operator: OperatorArgs,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// The file to write; the session key stands beside it, as `session-key`.
    #[arg(long, value_name = "FILE", default_value = "postern.yaml")]
    pub(super) config: PathBuf,
    /// The address at which people will reach the gateway, such as `https://ml.corp.example`.
    #[arg(long, value_name = "URL")]
    pub(super) public_url: Option<String>,
    /// The issuer of your identity provider.
    #[arg(long, value_name = "URL")]
    pub(super) issuer: Option<String>,
    /// The client id that the gateway has at the identity provider.
    #[arg(long, value_name = "ID")]
    pub(super) client_id: Option<String>,
    /// The domain of your people's e-mail addresses.
    #[arg(long, value_name = "DOMAIN")]
    pub(super) email_domain: Option<String>,
    /// The file that holds the client's secret; by default `client-secret` beside the configuration.
    #[arg(long, value_name = "FILE")]
    pub(super) client_secret_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct LoginArgs {
    /// The gateway's address, such as `https://ml.corp.example`.
    #[arg(value_name = "URL")]
    pub(super) url: String,
    /// The browser is on another machine: print the link, and take the code that its page shows.
    #[arg(long)]
    pub(super) no_browser: bool,
}

#[derive(Debug, Args)]
pub(super) struct TokenArgs {
    /// The destination.
    #[arg(value_name = "NAME")]
    pub(super) name: String,
    /// The most that the token gives; by default what the rules give.
    #[arg(long, value_enum)]
    pub(super) access: Option<AccessClass>,
    /// How long it is valid, such as `12h`; by default, and at most, what the gateway allows.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(super) lifetime: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum AccessClass {
    Read,
    Log,
    Write,
}

impl AccessClass {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Log => "log",
            Self::Write => "write",
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct OpenArgs {
    /// The destination, with a path below it or without.
    #[arg(value_name = "NAME[/PATH]")]
    pub(super) link: String,
}

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub(super) shell: clap_complete::Shell,
}

#[cfg(feature = "sandbox")]
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Your own configuration, with the sandbox in place of AWS: your identity provider and your rules, and nothing in
    /// AWS is touched. The replaced settings are printed.
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// The gateway's port on localhost; 0 takes a free one. By default 8080, or the port of a `public_url` on this machine.
    #[arg(long)]
    pub(super) port: Option<u16>,
    /// How the log on standard error is written: for machines or for people.
    #[arg(long, value_enum, default_value_t = LogFormat::Human)]
    pub(super) log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum IamFor {
    Gateway,
    Operator,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum IamFormat {
    /// Headings and JSON documents, to paste.
    Text,
    /// One JSON object with everything in it.
    Json,
    /// One template for every account.
    Cloudformation,
}
