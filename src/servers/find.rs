//! The server or App at AWS with a declared name.

use crate::aws::error::{AwsError, AwsErrorKind};
use crate::aws::mlflow::{AppSummary, ControlPlane, Described, MOST_PAGES};
use crate::aws::operator::Operator;
use crate::config::servers::{DeclaredServer, ServerKind};
use std::fmt;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The time for a call that only reads.
const READ_WITHIN: Duration = Duration::from_secs(60);

/// The reason why a server at AWS cannot be described or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ServersError {
    Aws(AwsError),
    /// Several Apps carry the declared name: these ARNs.
    Ambiguous(Vec<String>),
    /// AWS's answer is unusable, for this reason.
    Answer(&'static str),
}

/// The server or App at AWS with the declared name, with its tags.
///
/// # Errors
///
/// [`ServersError`], after throttling was waited out for a minute.
pub(crate) async fn find(
    operator: &Operator,
    declared: &DeclaredServer,
) -> Result<Option<Described>, ServersError> {
    let plane = operator.control_plane(&declared.region);
    let until = Instant::now() + READ_WITHIN;
    let found = match declared.kind {
        ServerKind::TrackingServer => {
            absent(reading(until, || plane.describe_tracking_server(&declared.name)).await)?
        }
        ServerKind::MlflowApp => match app_named(&plane, &declared.name, until).await? {
            None => None,
            Some(app) => absent(reading(until, || plane.describe_app(&app.arn)).await)?
                .filter(|described| described.status != "Deleted"),
        },
    };
    let Some(mut described) = found else { return Ok(None) };
    if described.arn.is_empty() {
        return Err(ServersError::Answer("it describes the server without an ARN"));
    }
    described.tags = tags(&plane, &described.arn, until).await?;
    Ok(Some(described))
}

/// The operator's ARN.
///
/// # Errors
///
/// As [`find`].
pub(crate) async fn caller(operator: &Operator) -> Result<String, ServersError> {
    reading(Instant::now() + READ_WITHIN, || operator.caller()).await
}

/// Finds an App by its name in the whole list, as AWS knows an App by its ARN alone.
async fn app_named(
    plane: &ControlPlane,
    name: &str,
    until: Instant,
) -> Result<Option<AppSummary>, ServersError> {
    let mut found = Vec::new();
    let mut token = None;
    for _ in 0..MOST_PAGES {
        let (page, next) = reading(until, || plane.list_apps(token.clone())).await?;
        found.extend(page.into_iter().filter(|app| app.is_named(name)));
        match next {
            Some(next) => token = Some(next),
            None if found.len() > 1 => {
                return Err(ServersError::Ambiguous(found.into_iter().map(|app| app.arn).collect()));
            }
            None => return Ok(found.pop()),
        }
    }
    Err(ServersError::Answer("its list of Apps does not end"))
}

async fn tags(
    plane: &ControlPlane,
    arn: &str,
    until: Instant,
) -> Result<Vec<(String, String)>, ServersError> {
    let mut all = Vec::new();
    let mut token = None;
    for _ in 0..MOST_PAGES {
        let (page, next) = reading(until, || plane.list_tags(arn, token.clone())).await?;
        all.extend(page);
        match next {
            Some(next) => token = Some(next),
            None => return Ok(all),
        }
    }
    Err(ServersError::Answer("its list of tags does not end"))
}

/// Turns the error for a missing server into `None`.
fn absent(described: Result<Described, ServersError>) -> Result<Option<Described>, ServersError> {
    match described {
        Ok(described) => Ok(Some(described)),
        Err(ServersError::Aws(error)) if error.kind == AwsErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Repeats a call that only reads, as long as AWS is throttling or out of reach.
async fn reading<T, F: Future<Output = Result<T, AwsError>>>(
    until: Instant,
    call: impl Fn() -> F,
) -> Result<T, ServersError> {
    let mut pause = Duration::from_millis(200);
    loop {
        let error = match call().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        if !passes(&error.kind) || Instant::now() + pause > until {
            return Err(ServersError::Aws(error));
        }
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(10));
    }
}

/// Whether the same call may succeed later.
pub(super) fn passes(kind: &AwsErrorKind) -> bool {
    matches!(
        kind,
        AwsErrorKind::Throttled { .. }
            | AwsErrorKind::Unavailable
            | AwsErrorKind::OutOfTime
            | AwsErrorKind::BadAnswer(_)
    )
}

impl From<AwsError> for ServersError {
    fn from(error: AwsError) -> Self {
        Self::Aws(error)
    }
}

impl fmt::Display for ServersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aws(error) => f.write_str(&error.message),
            Self::Ambiguous(arns) => {
                write!(f, "several Apps carry this name: {}; rename or delete all but one", arns.join(", "))
            }
            Self::Answer(fault) => write!(f, "AWS's answer cannot be used: {fault}"),
        }
    }
}

impl std::error::Error for ServersError {}
