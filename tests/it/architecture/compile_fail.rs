//! What the compiler refuses to everybody outside: each snippet is compiled as another crate's code against the library that
//! this test is linked with, and must fail with one kind of error.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::SystemTime;

/// Before every snippet.
const NAMES: &str = "
use postern::mlflow::{Asked, Bridge};
use postern::policy::grant::{Grant, StartGrant};
use postern::presign::authorized_url::AuthorizedUrl;
use postern::presign::error::PresignError;
use postern::presign::{MintFacts, Presigner};
use postern::sessions::SessionId;
use postern::target::Mint;
use postern::tokens::claims::Claims;
use postern::tokens::jws::UnverifiedToken;
use postern::wake::Waker;
use std::sync::Arc;
fn has<T>(_: T) {}
fn is_display<T: std::fmt::Display>() {}
fn is_clone<T: Clone>() {}
fn is_text<T: AsRef<str>>() {}
fn is_bytes<T: AsRef<[u8]>>() {}
fn becomes_text<T: Into<String>>() {}
fn derefs<T: std::ops::Deref>() {}
fn is_hashed<T: std::hash::Hash>() {}
";

/// What stands here compiles, so that the names and functions which the others use are there.
const ALLOWED: &str = "
fn grant(grant: Grant) { has((grant.principal().clone(), grant.destination(), grant.mint(), grant.trace())); }
async fn presign(p: &Arc<Presigner>, grant: Grant, session: SessionId) -> Result<AuthorizedUrl, PresignError> {
    has(p.describe(&grant).await);
    p.prewarm(grant.clone(), &session);
    Ok(p.presign(&grant, Some(&session), todo!()).await?.url)
}
async fn call(b: &Arc<Bridge>, grant: &Grant, asked: Asked<'_>) {
    has(b.call(grant, asked, todo!(), todo!(), todo!(), todo!()).await);
}
async fn start(w: &Waker, start: &StartGrant) { has(w.start(start, todo!()).await); has(start.grant()); }
async fn create(w: &Waker, grant: &Grant) { has(w.create_profile(grant, todo!()).await); }
async fn rehearse(p: &Presigner, mint: &Mint, grant: &Grant) -> Result<(), PresignError> {
    for facts in [p.rehearse(mint).await?, p.rehearse_granted(grant).await?] {
        let MintFacts { operation, aws_request_id, role_session_name, from_slot } = facts;
        has::<(&str, Option<String>, Option<String>, bool)>((operation, aws_request_id, role_session_name, from_slot));
    }
    Ok(())
}
fn location(url: AuthorizedUrl) { url.into_location(); }
fn api_answer(url: AuthorizedUrl) { url.into_api_answer(); }
fn debug(url: &AuthorizedUrl) -> String { format!(\"{url:?}\") }
fn token(text: &str) { has(UnverifiedToken::parse(text)); }
fn claims(claims: &Claims) { has((claims.subject(), claims.expires_at(), claims.clone())); }
fn traits() { is_display::<String>(); is_clone::<String>(); is_text::<String>(); is_bytes::<String>(); }
fn more_traits() { becomes_text::<String>(); derefs::<String>(); is_hashed::<String>(); }
";

/// What must not compile, and the compiler's code for why.
const REFUSED: &[(&str, &str)] = &[
    // A grant is made by the policy alone, and says what it was made to say.
    ("fn f(g: &Grant) -> Grant { Grant { principal: g.principal().clone(), ..g.clone() } }", PRIVATE_FIELDS),
    ("fn f() { Grant::new(todo!(), todo!(), todo!(), todo!(), todo!()); }", PRIVATE_FUNCTION),
    ("fn f(g: &mut Grant, mint: Mint) { g.mint = mint; }", PRIVATE_FIELD),
    ("fn f(g: &mut Grant, mint: Mint) { *g.mint() = mint; }", NOT_MUTABLE),
    // Without a grant no call is forwarded.
    (
        "async fn f(b: &Arc<Bridge>, mint: &Mint, a: Asked<'_>) { b.call(mint, a, todo!(), todo!(), todo!(), todo!()).await; }",
        OTHER_TYPE,
    ),
    ("fn f(g: &mut Grant) { g.api = None; }", PRIVATE_FIELD),
    // A start is granted by the policy alone, and without a grant nothing is started or created.
    ("fn f(g: Grant) -> StartGrant { StartGrant(g) }", PRIVATE_CONSTRUCTOR),
    ("fn f() { StartGrant::new(todo!()); }", PRIVATE_FUNCTION),
    ("async fn f(w: &Waker, g: &Grant) { w.start(g, todo!()).await; }", OTHER_TYPE),
    ("async fn f(w: &Waker, mint: &Mint) { w.create_profile(mint, todo!()).await; }", OTHER_TYPE),
    // Without a grant there is no URL.
    ("async fn f(p: &Presigner, mint: &Mint) { p.presign(mint, None, todo!()).await; }", OTHER_TYPE),
    ("fn f(p: &Arc<Presigner>, mint: Mint, session: &SessionId) { p.prewarm(mint, session); }", OTHER_TYPE),
    ("async fn f(p: &Presigner, mint: &Mint) { p.describe(mint).await; }", OTHER_TYPE),
    ("async fn f(p: &Presigner, mint: &Mint) { p.rehearse(mint).await.unwrap().url; }", NO_SUCH_FIELD),
    ("async fn f(p: &Presigner, g: &Grant, d: ()) { p.mint(g, d).await; }", PRIVATE_FUNCTION),
    // A URL is made by presigning alone, has no text to show, and leaves once.
    ("fn f() -> AuthorizedUrl { AuthorizedUrl(todo!()) }", PRIVATE_CONSTRUCTOR),
    ("fn f(u: AuthorizedUrl) { u.0; }", PRIVATE_FIELD),
    ("fn f() { is_display::<AuthorizedUrl>(); }", NO_SUCH_TRAIT),
    ("fn f() { is_clone::<AuthorizedUrl>(); }", NO_SUCH_TRAIT),
    ("fn f() { is_text::<AuthorizedUrl>(); }", NO_SUCH_TRAIT),
    ("fn f() { is_bytes::<AuthorizedUrl>(); }", NO_SUCH_TRAIT),
    ("fn f() { becomes_text::<AuthorizedUrl>(); }", NO_SUCH_TRAIT),
    ("fn f() { derefs::<AuthorizedUrl>(); }", NO_SUCH_TRAIT),
    ("fn f() { is_hashed::<AuthorizedUrl>(); }", NO_SUCH_TRAIT),
    ("fn f(u: AuthorizedUrl) { u.into_location(); u.into_location(); }", USED_TWICE),
    ("fn f(u: AuthorizedUrl) { u.into_location(); u.into_api_answer(); }", USED_TWICE),
    ("fn f(u: AuthorizedUrl) { u.into_api_answer(); u.into_location(); }", USED_TWICE),
    ("fn f(u: &AuthorizedUrl) { u.into_location(); }", NOT_OWNED),
    ("fn f(u: &AuthorizedUrl) { u.into_api_answer(); }", NOT_OWNED),
    // A token says nothing before its claims were checked, and nothing else makes claims.
    ("fn f(t: UnverifiedToken<'_>) { t.claims(); }", PRIVATE_FUNCTION),
    ("fn f(t: UnverifiedToken<'_>) { t.claims; }", PRIVATE_FIELD),
    ("fn f(c: &Claims) -> Claims { Claims { all: todo!(), ..c.clone() } }", PRIVATE_FIELDS),
    ("use postern::tokens::claims::check;", PRIVATE_ITEM),
    ("use postern::tokens::jwks::SignedToken;", PRIVATE_ITEM),
];

const NO_SUCH_TRAIT: &str = "E0277";
const OTHER_TYPE: &str = "E0308";
const USED_TWICE: &str = "E0382";
const PRIVATE_CONSTRUCTOR: &str = "E0423";
const PRIVATE_FIELDS: &str = "E0451";
const NOT_OWNED: &str = "E0507";
const NOT_MUTABLE: &str = "E0594";
const PRIVATE_ITEM: &str = "E0603";
const NO_SUCH_FIELD: &str = "E0609";
const PRIVATE_FIELD: &str = "E0616";
const PRIVATE_FUNCTION: &str = "E0624";

#[test]
fn the_compiler_holds_grants_urls_and_claims() {
    assert_eq!(errors(ALLOWED), [] as [String; 0]);
    for (snippet, code) in REFUSED {
        let errors = errors(snippet);
        assert!(!errors.is_empty(), "this compiles: {snippet}");
        assert!(
            errors.iter().all(|error| error.contains(&format!("error[{code}]"))),
            "{snippet}: {errors:#?}"
        );
    }
}

/// What the compiler says of the snippet, one error a line.
fn errors(snippet: &str) -> Vec<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let folder = dependencies();
    let mut compiler = Command::new(rustc)
        .args(["--edition=2024", "--crate-name=outsider", "--crate-type=lib", "--emit=metadata"])
        .args(["--error-format=short", "--cap-lints=allow", "-"])
        .arg(format!("-Ldependency={}", folder.display()))
        .arg(format!("--extern=postern={}", library(&folder).display()))
        .arg(format!("--out-dir={}", env!("CARGO_TARGET_TMPDIR")))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the compiler");
    let source = format!("{NAMES}{snippet}");
    compiler.stdin.take().expect("its input").write_all(source.as_bytes()).expect("it reads");
    let output = compiler.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    let errors: Vec<_> = said.lines().filter(|line| line.contains(": error[")).map(str::to_owned).collect();
    assert_eq!(output.status.success(), errors.is_empty(), "{snippet}: {said}");
    errors
}

/// Where Cargo puts what it compiles: this test stands there, too.
fn dependencies() -> PathBuf {
    std::env::current_exe().expect("this test").parent().expect("its folder").to_owned()
}

/// The library as it was compiled last, whichever features that was for.
fn library(folder: &Path) -> PathBuf {
    let is_library = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("libpostern-") && name.ends_with(".rlib")
    };
    let age = |path: &PathBuf| path.metadata().and_then(|it| it.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    let entries = std::fs::read_dir(folder).expect("the folder").filter_map(Result::ok);
    entries.map(|entry| entry.path()).filter(is_library).max_by_key(age).expect("the library")
}
