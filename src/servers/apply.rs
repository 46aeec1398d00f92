//! Brings one server to its declaration. AWS is described before each step and after each refusal, and each step
//! follows from that description alone, so that a lost answer, a second operator or an interruption leads to the same
//! end.

use super::find::{ServersError, find, passes};
use super::plan::{Action, DECLARED_TAG, Permits, ServerPlan, digest_of, new_tags, old_tags, plan, update};
use super::standing::usual_time;
use crate::aws::error::{AwsError, AwsErrorKind};
use crate::aws::mlflow::Described;
use crate::aws::operator::Operator;
use crate::config::servers::{DeclaredServer, Fields, ServerKind};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A role that was just made is not known everywhere at once.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html>
const IAM_DELAY: Duration = Duration::from_secs(90);
/// After a Create or an Update was accepted, Describe may show the state before it for a while.
const LAG: Duration = Duration::from_secs(20);
/// The pause between two looks at a change that was just sent.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The options of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Apply {
    pub(crate) permits: Permits,
    /// Waits until AWS is done; otherwise a step that AWS has accepted ends the work on a server.
    pub(crate) wait: bool,
    /// The time for one server.
    pub(crate) timeout: Duration,
}

/// How the work on a server ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    AsDeclared,
    /// AWS is at work and was not waited for, or not for long enough: AWS's status word.
    Under(String),
    /// A person has to act: the reason.
    Refused(String),
    /// `--max-creates` leaves no creation to this run.
    NoCreationLeft,
}

/// A report on the work while it lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Creating,
    Updating(Vec<&'static str>),
    Tagging,
    /// AWS's status word, how long it has stood in this run, and how long AWS usually takes.
    Waiting {
        status: String,
        since: Duration,
        usual: Option<&'static str>,
    },
    /// A call is made again: the reason.
    Again(String),
}

/// Works on one server until it is as declared or cannot be brought there. `creations` is the rest of `--max-creates`,
/// and is counted down at a Create that AWS has accepted.
///
/// # Errors
///
/// [`ServersError`] if AWS cannot be asked, or refused in a way that leaves nothing to try.
pub(crate) async fn apply(
    operator: &Operator,
    declared: &DeclaredServer,
    how: Apply,
    creations: &mut usize,
    tell: &mut dyn FnMut(Progress),
) -> Result<Applied, ServersError> {
    let began = Instant::now();
    let mut run =
        Run { operator, declared, how, until: began + how.timeout, sent: None, pause: SHORTEST_PAUSE };
    loop {
        let described = find(operator, declared).await?;
        let plan = plan(declared, described.as_ref(), how.permits);
        match (plan.action, described) {
            (Action::Keep, _) => return Ok(Applied::AsDeclared),
            (Action::Refuse, _) => return Ok(Applied::Refused(refusal(&plan))),
            (Action::Create, _) if run.lags() => sleep(LOOK_AGAIN).await,
            (Action::Create, _) => {
                if *creations == 0 {
                    return Ok(Applied::NoCreationLeft);
                }
                tell(Progress::Creating);
                if run.create(creations, tell).await? && !how.wait {
                    return Ok(Applied::Under("Creating".to_owned()));
                }
            }
            (Action::Update, Some(described)) if !run.repeats(&described) => {
                run.change(&described, tell).await?;
                if !how.wait {
                    return Ok(Applied::Under("Updating".to_owned()));
                }
            }
            (Action::Update | Action::Wait, described) => {
                let status = described.map(|described| described.status).unwrap_or_default();
                if !how.wait && plan.action == Action::Wait {
                    return Ok(Applied::Under(status));
                }
                let usual = usual_time(declared.kind, &status);
                tell(Progress::Waiting { status: status.clone(), since: began.elapsed(), usual });
                if Instant::now() + run.pause > run.until {
                    return Ok(Applied::Under(status));
                }
                run.rest().await;
            }
        }
    }
}

/// The work on one server.
struct Run<'a> {
    operator: &'a Operator,
    declared: &'a DeclaredServer,
    how: Apply,
    until: Instant,
    /// The last change that AWS accepted, and its time: Describe may still show an older state just after it.
    sent: Option<(Sent, Instant)>,
    pause: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Sent {
    Create,
    Update(Fields),
}

impl Run<'_> {
    async fn rest(&mut self) {
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    /// Whether a Create was accepted so lately that Describe may not know of it yet.
    fn lags(&self) -> bool {
        matches!(&self.sent, Some((Sent::Create, at)) if at.elapsed() < LAG)
    }

    /// Whether the very same Update was accepted so lately that Describe may not show it yet.
    fn repeats(&self, described: &Described) -> bool {
        let next = Sent::Update(update(self.declared, described, self.how.permits));
        matches!(&self.sent, Some((sent, at)) if *sent == next && at.elapsed() < LAG)
    }

    /// Sends one Create; true if AWS accepted it. After any refusal the caller describes again: a server that exists by
    /// then counts, whoever made it.
    async fn create(
        &mut self,
        creations: &mut usize,
        tell: &mut dyn FnMut(Progress),
    ) -> Result<bool, ServersError> {
        let declared = self.declared;
        let mut tags = declared.tags.clone();
        tags.push((DECLARED_TAG.to_owned(), digest_of(declared)));
        let plane = self.operator.control_plane(&declared.region);
        let began = Instant::now();
        loop {
            let error = match plane.create(declared.kind, &declared.name, &declared.fields, &tags).await {
                Ok(()) => {
                    *creations -= 1;
                    self.sent = Some((Sent::Create, Instant::now()));
                    return Ok(true);
                }
                Err(error) => error,
            };
            let is_there = find(self.operator, declared).await?.is_some();
            match &error.kind {
                // Somebody else made it, or the answer to our own Create was lost.
                _ if is_there => return Ok(false),
                AwsErrorKind::Throttled { .. } => {}
                kind if passes(kind) && declared.kind == ServerKind::MlflowApp => {
                    return self.await_unanswered(error, tell).await;
                }
                // A tracking server's name is its key: AWS never makes a second one with the same name.
                kind if passes(kind) => {}
                _ if awaits_iam(&error) && began.elapsed() < IAM_DELAY => {}
                _ => return Err(ServersError::Aws(advised(error))),
            }
            if Instant::now() + self.pause > self.until {
                return Err(ServersError::Aws(advised(error)));
            }
            tell(Progress::Again(error.message));
            self.rest().await;
        }
    }

    /// AWS may have made the App although it did not answer, and would make a second one of the same name. So this run
    /// looks for the App and does not ask for it again.
    async fn await_unanswered(
        &mut self,
        error: AwsError,
        tell: &mut dyn FnMut(Progress),
    ) -> Result<bool, ServersError> {
        tell(Progress::Again(error.message.clone()));
        let until = Instant::now() + LAG;
        while Instant::now() < until {
            sleep(LOOK_AGAIN).await;
            if find(self.operator, self.declared).await?.is_some() {
                return Ok(false);
            }
        }
        let message = format!(
            "{}; whether AWS makes the App cannot be told: look at `postern servers status` in some minutes, then apply again",
            error.message
        );
        Err(ServersError::Aws(AwsError { message, ..error }))
    }

    /// Sends the Update and the tags that differ. If AWS refuses because of the server's state, the caller looks again.
    async fn change(
        &mut self,
        described: &Described,
        tell: &mut dyn FnMut(Progress),
    ) -> Result<(), ServersError> {
        let declared = self.declared;
        let plane = self.operator.control_plane(&declared.region);
        let fields = update(declared, described, self.how.permits);
        if !fields.is_empty() {
            tell(Progress::Updating(fields.iter().map(|(field, _)| field.as_str()).collect()));
            match plane.update(declared.kind, &declared.name, &described.arn, &fields).await {
                Ok(()) => self.sent = Some((Sent::Update(fields), Instant::now())),
                Err(error) if passes(&error.kind) && Instant::now() + self.pause < self.until => {
                    tell(Progress::Again(error.message));
                    self.rest().await;
                    return Ok(());
                }
                Err(error) => {
                    let now = find(self.operator, declared).await?;
                    if now.is_some_and(|now| now.status != described.status) {
                        return Ok(());
                    }
                    return Err(ServersError::Aws(advised(error)));
                }
            }
        }
        let old = old_tags(declared, described);
        let mut new = new_tags(declared, described);
        if new.is_empty() && old.is_empty() && fields_were_sent(&self.sent).is_none() {
            return Ok(());
        }
        tell(Progress::Tagging);
        let declared_tag = (DECLARED_TAG.to_owned(), digest_of(declared));
        if !described.tags.contains(&declared_tag) {
            new.push(declared_tag);
        }
        if !old.is_empty() {
            plane.delete_tags(&described.arn, old).await.map_err(advised)?;
        }
        if !new.is_empty() {
            plane.add_tags(&described.arn, &new).await.map_err(advised)?;
        }
        Ok(())
    }
}

fn fields_were_sent(sent: &Option<(Sent, Instant)>) -> Option<&Fields> {
    match sent {
        Some((Sent::Update(fields), _)) => Some(fields),
        _ => None,
    }
}

/// AWS could not yet assume a role that was just made.
fn awaits_iam(error: &AwsError) -> bool {
    error.message.contains("sts:AssumeRole") || error.message.contains("is unable to assume")
}

/// Adds advice for the operator.
fn advised(error: AwsError) -> AwsError {
    let message = &error.message;
    let advice = if message.contains("iam:PassRole") {
        "the operator needs iam:PassRole on `role_arn` (`postern iam --for operator` prints the statement)"
    } else if awaits_iam(&error) {
        "the role's trust policy must let sagemaker.amazonaws.com assume it; a role that was just made may need a minute"
    } else if message.contains("s3:") || message.contains("bucket") || message.contains("Bucket") {
        "the role needs s3:Get*, s3:Put* and s3:List* on the bucket, and the bucket must belong to \
         `s3_bucket_owner_account_id`"
    } else if error.code.as_deref() == Some("ResourceLimitExceeded") {
        "ask for a higher quota in Service Quotas, or stop a server that nobody needs"
    } else if error.kind == AwsErrorKind::Refused && error.code.as_deref() == Some("AccessDeniedException") {
        "`postern iam --for operator` prints what the operator needs"
    } else {
        return error;
    };
    AwsError { message: format!("{message}; {advice}"), ..error }
}

fn refusal(plan: &ServerPlan) -> String {
    let blocked = plan.lines.iter().filter_map(|line| {
        let advice = line.advice.as_ref()?;
        Some(format!("`{}` differs and cannot be changed here: {advice}", line.field))
    });
    plan.notes.iter().cloned().chain(blocked).collect::<Vec<_>>().join("; ")
}
