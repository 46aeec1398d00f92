//! What the OpenID Foundation's conformance suite checks of a relying party, replayed by the tests' own provider: a
//! module per test plan, a test per module of the plan, named as it is.

mod refresh;
