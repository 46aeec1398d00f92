//! `postern servers`: plan, apply, status.

use super::args::{ApplyArgs, Format, OperatorArgs, PlanArgs, ServersCommand, StatusArgs};
use super::configuration::load;
use super::output::{Failed, print, print_json};
use super::runtime::block_on;
use crate::aws::operator::{Operator, OperatorSource};
use crate::config::AwsConfig;
use crate::config::servers::DeclaredServer;
use crate::files::Files;
use crate::http_client::HttpClient;
use crate::servers::{
    Action, Applied, Apply, Permits, Progress, ServerPlan, Style, apply, caller, find, plan, plans, statuses,
};
use crate::target::RoleArn;
use serde_json::json;
use std::io::{self, BufRead, IsTerminal, Write};
use std::time::Duration;

pub(super) fn run(command: &ServersCommand) -> Result<(), Failed> {
    match command {
        ServersCommand::Plan(args) => block_on(Box::pin(show_plan(args))),
        ServersCommand::Apply(args) => block_on(Box::pin(apply_all(args))),
        ServersCommand::Status(args) => block_on(Box::pin(show_status(args))),
    }
}

/// The declared servers that are meant, and the operator's AWS.
struct Scope {
    servers: Vec<DeclaredServer>,
    operator: Operator,
}

impl Scope {
    async fn of(args: &OperatorArgs) -> Result<Self, Failed> {
        let configuration = load(&args.config, &Files::default())?;
        let servers = chosen(configuration.loaded.servers, &args.names)?;
        let role_arn = args.role_arn.as_deref().map(RoleArn::parse).transpose();
        let role_arn = role_arn.map_err(|error| Failed::Usage(format!("--role-arn: {error}")))?;
        let source = OperatorSource { profile: args.profile.clone(), role_arn };
        let aws = &configuration.loaded.gateway.aws;
        let http = HttpClient::new().map_err(Failed::Usage)?;
        let operator = Operator::new(aws, &http, &source).await.map_err(Failed::Usage)?;
        refuse_gateway(&operator, aws).await?;
        Ok(Self { servers, operator })
    }

    async fn plans(&self, permits: Permits) -> Result<Vec<ServerPlan>, Failed> {
        let mut all = Vec::new();
        for server in &self.servers {
            let found = find(&self.operator, server).await;
            let found = found
                .map_err(|error| Failed::ran(format!("{} {}: {error}", server.kind.words(), server.name)))?;
            all.push(plan(server, found.as_ref(), permits));
        }
        Ok(all)
    }
}

fn chosen(declared: Vec<DeclaredServer>, names: &[String]) -> Result<Vec<DeclaredServer>, Failed> {
    if declared.is_empty() {
        let message = "the configuration declares no `mlflow_tracking_servers` and no `mlflow_apps`";
        return Err(Failed::Usage(message.to_owned()));
    }
    for name in names {
        if !declared.iter().any(|server| server.name == *name) {
            let known: Vec<_> = declared.iter().map(|server| server.name.as_str()).collect();
            return Err(Failed::Usage(format!(
                "`{name}` is not declared; declared are: {}",
                known.join(", ")
            )));
        }
    }
    let is_meant = |server: &DeclaredServer| names.is_empty() || names.contains(&server.name);
    Ok(declared.into_iter().filter(is_meant).collect())
}

/// The gateway's role cannot create or change servers, and must not be given the right to.
async fn refuse_gateway(operator: &Operator, aws: &AwsConfig) -> Result<(), Failed> {
    let caller = caller(operator).await.map_err(Failed::ran)?;
    let Some(role) = aws.role_arn.as_ref().and_then(|role| role.as_str().rsplit('/').next()) else {
        return Ok(());
    };
    if caller.contains(&format!(":assumed-role/{role}/")) {
        return Err(Failed::ran(format!(
            "these are credentials of the gateway's role ({caller}); use your own, by --profile or --role-arn"
        )));
    }
    Ok(())
}

async fn show_plan(args: &PlanArgs) -> Result<(), Failed> {
    let scope = Scope::of(&args.operator).await?;
    let permits = Permits { new_artifact_store: args.accept_new_artifact_store };
    let planned = scope.plans(permits).await?;
    let to_do = planned.iter().any(ServerPlan::has_something_to_do);
    match args.format {
        Format::Text => print(plans(&planned, style()).trim_end())?,
        Format::Json => print_json(&json!({"servers": planned, "to_do": to_do}))?,
    }
    if args.check && to_do { Err(Failed::Ran(None)) } else { Ok(()) }
}

async fn show_status(args: &StatusArgs) -> Result<(), Failed> {
    let scope = Scope::of(&args.operator).await?;
    let servers: Vec<_> = scope.servers.iter().collect();
    let statuses = statuses(&scope.operator, &servers).await;
    match args.format {
        Format::Text => {
            let text: Vec<_> = statuses.iter().map(|status| status.text()).collect();
            print(text.join("\n").trim_end())?;
        }
        Format::Json => print_json(&json!({"servers": statuses}))?,
    }
    if statuses.iter().any(|status| status.failed()) { Err(Failed::Ran(None)) } else { Ok(()) }
}

async fn apply_all(args: &ApplyArgs) -> Result<(), Failed> {
    let scope = Scope::of(&args.operator).await?;
    let how = Apply {
        permits: Permits { new_artifact_store: args.accept_new_artifact_store },
        wait: !args.no_wait,
        timeout: args.timeout,
    };
    let planned = scope.plans(how.permits).await?;
    if args.format == Format::Text {
        print(plans(&planned, style()).trim_end())?;
    }
    let creations = planned.iter().filter(|plan| plan.action == Action::Create).count();
    if creations > args.max_creates {
        return Err(Failed::ran(format!(
            "{creations} servers would be created, and one run creates {} at most: name those that are meant, or say \
             --max-creates {creations}",
            args.max_creates
        )));
    }
    if !planned.iter().any(ServerPlan::has_something_to_do) {
        return finish(args, &planned, &[]);
    }
    let is_for_apply = |plan: &&ServerPlan| matches!(plan.action, Action::Create | Action::Update);
    if planned.iter().any(|plan| is_for_apply(&plan)) && !args.yes && !confirmed()? {
        return Err(Failed::ran("nothing was changed"));
    }
    let mut creations = args.max_creates;
    let mut outcomes = Vec::new();
    for server in &scope.servers {
        let mut line = ProgressLine::new(server);
        let applied =
            Box::pin(apply(&scope.operator, server, how, &mut creations, &mut |told| line.tell(&told))).await;
        line.end();
        outcomes.push(match applied {
            Ok(applied) => applied,
            Err(error) => Applied::Refused(error.to_string()),
        });
    }
    finish(args, &planned, &outcomes)
}

fn finish(args: &ApplyArgs, planned: &[ServerPlan], outcomes: &[Applied]) -> Result<(), Failed> {
    let outcome = |index: usize| outcomes.get(index).unwrap_or(&Applied::AsDeclared);
    match args.format {
        Format::Text => {
            for (index, plan) in planned.iter().enumerate() {
                print(&format!("{} {}: {}", plan.kind.words(), plan.name, words(outcome(index))))?;
            }
        }
        Format::Json => {
            let results: Vec<_> = planned
                .iter()
                .enumerate()
                .map(|(index, plan)| {
                    json!({"kind": plan.kind.key(), "name": plan.name, "region": plan.region,
                           "outcome": outcome_word(outcome(index)), "detail": words(outcome(index))})
                })
                .collect();
            print_json(&json!({"servers": results}))?;
        }
    }
    let went_well = |applied: &Applied| match applied {
        Applied::AsDeclared => true,
        Applied::Under(_) => args.no_wait,
        Applied::Refused(_) | Applied::NoCreationLeft => false,
    };
    if outcomes.iter().all(went_well) { Ok(()) } else { Err(Failed::Ran(None)) }
}

fn outcome_word(applied: &Applied) -> &'static str {
    match applied {
        Applied::AsDeclared => "as-declared",
        Applied::Under(_) => "under-way",
        Applied::Refused(_) => "refused",
        Applied::NoCreationLeft => "no-creation-left",
    }
}

fn words(applied: &Applied) -> String {
    match applied {
        Applied::AsDeclared => "as declared".to_owned(),
        Applied::Under(status) => format!("AWS is at work ({status}); run apply again to go on"),
        Applied::Refused(why) => why.clone(),
        Applied::NoCreationLeft => "not created: --max-creates is used up".to_owned(),
    }
}

/// Asks at the terminal. Without one, nobody can answer.
fn confirmed() -> Result<bool, Failed> {
    if !io::stdin().is_terminal() {
        return Err(Failed::Usage("nobody can be asked here: say --yes to apply this plan".to_owned()));
    }
    let mut out = io::stderr().lock();
    _ = write!(out, "\nApply this plan? Only `yes` is taken for an answer: ");
    _ = out.flush();
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Failed::ran(format!("standard input: {error}")))?;
    Ok(answer.trim() == "yes")
}

fn style() -> Style {
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if wanted && io::stdout().is_terminal() { Style::Coloured } else { Style::Plain }
}

/// Progress on standard error: one line that is written over on a terminal, a line for each change of state elsewhere.
struct ProgressLine {
    name: String,
    is_terminal: bool,
    shown: String,
}

impl ProgressLine {
    fn new(server: &DeclaredServer) -> Self {
        let name = format!("{} {}", server.kind.words(), server.name);
        Self { name, is_terminal: io::stderr().is_terminal(), shown: String::new() }
    }

    fn tell(&mut self, progress: &Progress) {
        let (state, detail) = match progress {
            Progress::Creating => ("Create is sent".to_owned(), String::new()),
            Progress::Updating(fields) => (format!("Update is sent: {}", fields.join(", ")), String::new()),
            Progress::Tagging => ("tags are set".to_owned(), String::new()),
            Progress::Again(why) => (format!("trying again: {why}"), String::new()),
            Progress::Waiting { status, since, usual } => {
                let since = humantime::format_duration(Duration::from_secs(since.as_secs()));
                let usual = usual.map(|usual| format!(" ({usual})")).unwrap_or_default();
                (status.clone(), format!(", {since}{usual}"))
            }
        };
        let mut out = io::stderr().lock();
        if self.is_terminal {
            // Without wrapping: the carriage return goes back to the begin of one row, not of two.
            _ = write!(out, "\r\u{1b}[K\u{1b}[?7l{}: {state}{detail}\u{1b}[?7h", self.name);
            self.shown = state;
        } else if self.shown != state {
            _ = writeln!(out, "{}: {state}{detail}", self.name);
            self.shown = state;
        }
        _ = out.flush();
    }

    fn end(&self) {
        if self.is_terminal && !self.shown.is_empty() {
            _ = writeln!(io::stderr().lock());
        }
    }
}
