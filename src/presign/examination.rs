//! The checks of presigning for `postern doctor`, which never return a URL.

use super::Presigner;
use super::error::PresignError;
use super::presigned::MintFacts;
use crate::aws::Deadline;
use crate::aws::error::AwsError;
use crate::aws::owners::Owner;
use crate::aws::session_name::LOOK_UP;
use crate::policy::grant::Grant;
use crate::target::{EXPIRES_IN, EXPIRES_IN_SECONDS, Mint, Target, Value};
use tokio::time::timeout_at;

/// The person that a profile's tags name, seen from the person who opens it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owned {
    Theirs,
    ByAnother,
    Untagged,
}

impl Presigner {
    /// Mints a URL with the shortest life that AWS allows, in nobody's name, and drops it here: the caller learns
    /// whether minting works, and never has the URL.
    ///
    /// # Errors
    ///
    /// [`PresignError`], within `aws.timeout`.
    pub async fn rehearse(&self, mint: &Mint) -> Result<MintFacts, PresignError> {
        self.rehearse_as(LOOK_UP.to_owned(), mint).await
    }

    /// The same for a granted request, in its person's name: like their launch, but for the URL's life and use.
    ///
    /// # Errors
    ///
    /// As [`Presigner::rehearse`].
    pub async fn rehearse_granted(&self, grant: &Grant) -> Result<MintFacts, PresignError> {
        self.rehearse_as(self.session_name(grant.principal()), grant.mint()).await
    }

    /// Whether the profile of a granted request may be opened by its person; `None` where that is not asked.
    ///
    /// # Errors
    ///
    /// [`AwsError`], within `aws.timeout`.
    pub(crate) async fn examine_owner(&self, grant: &Grant) -> Option<Result<Owned, AwsError>> {
        grant.new_profile()?;
        let person = grant.principal();
        Some(self.aws.owner_in_time(grant.mint()).await.map(|owner| match owner {
            Owner::Nobody => Owned::Untagged,
            owner if owner.lets_in(&person.realm, &person.user) => Owned::Theirs,
            _ => Owned::ByAnother,
        }))
    }

    async fn rehearse_as(&self, session_name: String, mint: &Mint) -> Result<MintFacts, PresignError> {
        let mut mint = mint.clone();
        shorten(&mut mint.target);
        let deadline = Deadline::after(self.aws.timeout());
        let minted = Box::pin(self.mint_until(deadline, &mint, session_name));
        let minted = timeout_at(deadline.at, minted).await;
        minted
            .unwrap_or_else(|_| Err(PresignError::out_of_time(mint.target.operation())))
            .map(|minted| minted.facts)
    }
}

/// Sets the shortest life that AWS allows, if the kind has a life to choose.
fn shorten(target: &mut Target) {
    let shortest = Value::Seconds(EXPIRES_IN.least);
    if let Ok(shortened) = target.with(EXPIRES_IN_SECONDS, shortest) {
        *target = shortened;
    }
}
