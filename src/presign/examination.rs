//! The checks of presigning for `postern doctor`, which never return a URL.

use super::Presigner;
use super::error::PresignError;
use super::presigned::MintFacts;
use crate::aws::Deadline;
use crate::aws::session_name::LOOK_UP;
use crate::policy::grant::Grant;
use crate::target::{EXPIRES_IN, EXPIRES_IN_SECONDS, Mint, Target, Value};
use tokio::time::timeout_at;

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
