//! `postern init`: a first configuration that passes `check`, and the key that seals sessions.

use super::args::InitArgs;
use super::configuration::compiled;
use super::output::{Failed, print};
use crate::config;
use crate::config::diagnostics::{Diagnostic, Diagnostics};
use crate::config::located::Location;
use crate::sessions::seal;
use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, ErrorKind, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use url::Url;

const TEXT: &str = include_str!("../../config/first.yaml");
const SESSION_KEY: &str = "session-key";

pub(super) fn run(args: &InitArgs) -> Result<(), Failed> {
    let folder = args.config.parent().unwrap_or(Path::new(""));
    let key = folder.join(SESSION_KEY);
    for path in [&args.config, &key] {
        if fs::symlink_metadata(path).is_ok() {
            let path = path.display();
            return Err(Failed::ran(format!("{path} is there already, and nothing is overwritten")));
        }
    }
    let answers = Answers::of(args)?;
    let text = answers.configuration();
    if let Err(refusal) = examined(&args.config, &text) {
        return Err(refusal.into());
    }
    create(&key, &format!("{}\n", seal::generate_key()), 0o600)?;
    if let Err(failed) = create(&args.config, &text, 0o644) {
        // Without the configuration, nothing names the key.
        _ = fs::remove_file(&key);
        return Err(failed);
    }
    print(answers.next_steps(&args.config, &key).trim_end())
}

/// The questions in their order: a flag's name, the question's words, and an example or the meaning of an empty answer.
const QUESTIONS: [(Question, &str, &str, &str); 5] = [
    (Question::PublicUrl, "--public-url", "Where people will reach the gateway", "https://ml.corp.example"),
    (
        Question::Issuer,
        "--issuer",
        "The issuer of your identity provider",
        "https://sso.corp.example/realms/staff",
    ),
    (Question::ClientId, "--client-id", "The client id that the gateway has there", "postern"),
    (Question::EmailDomain, "--email-domain", "The domain of your people's e-mail addresses", "corp.example"),
    (
        Question::ClientSecretFile,
        "--client-secret-file",
        "The file that holds the client's secret",
        CLIENT_SECRET,
    ),
];
const CLIENT_SECRET: &str = "client-secret";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    PublicUrl,
    Issuer,
    ClientId,
    EmailDomain,
    ClientSecretFile,
}

impl Question {
    /// The text in the example configuration that the answer replaces.
    fn stands_for(self) -> &'static str {
        match self {
            Self::PublicUrl => "https://ml.corp.example",
            Self::Issuer => "https://sso.corp.example/realms/staff",
            Self::ClientId => "client_id: postern",
            Self::EmailDomain => "corp.example",
            Self::ClientSecretFile => "file: client-secret",
        }
    }

    /// The key of which the configuration complains where the answer is wrong.
    fn key(self) -> &'static str {
        match self {
            Self::PublicUrl => "public_url",
            Self::Issuer => "issuers.company.issuer",
            Self::ClientId => "sign_in.client_id",
            Self::EmailDomain => "issuers.company.user_domains",
            Self::ClientSecretFile => "sign_in.client_secret",
        }
    }
}

#[derive(Debug)]
struct Answers(Vec<(Question, String)>);

impl Answers {
    /// Takes the flags; asks for missing answers where somebody sits at a terminal.
    fn of(args: &InitArgs) -> Result<Self, Failed> {
        let path = args.client_secret_file.as_deref().map(|path| from_here(path, &args.config));
        let given = |question| match question {
            Question::PublicUrl => args.public_url.clone(),
            Question::Issuer => args.issuer.clone(),
            Question::ClientId => args.client_id.clone(),
            Question::EmailDomain => args.email_domain.clone(),
            Question::ClientSecretFile => path.clone(),
        };
        let asks = io::stdin().is_terminal();
        let required = QUESTIONS.iter().filter(|(question, ..)| *question != Question::ClientSecretFile);
        let missing: Vec<&str> =
            required.filter(|(question, ..)| given(*question).is_none()).map(|(_, flag, ..)| *flag).collect();
        if !asks && !missing.is_empty() {
            let missing = missing.join(", ");
            return Err(Failed::Usage(format!("there is no terminal to ask at: {missing} must be given")));
        }
        let mut answers = Self(Vec::new());
        for (question, _, words, example) in QUESTIONS {
            match given(question) {
                Some(given) => answers.0.push((question, given)),
                None if asks => answers.ask(question, words, example, &args.config)?,
                None => answers.0.push((question, CLIENT_SECRET.to_owned())),
            }
        }
        match answers.answer(Question::EmailDomain).and_then(no_domain) {
            Some(finding) => Err(Failed::Usage(format!("--email-domain: {}", finding.message))),
            None => Ok(answers),
        }
    }

    /// Asks until the answer is legal.
    fn ask(&mut self, question: Question, words: &str, example: &str, config: &Path) -> Result<(), Failed> {
        let is_optional = question == Question::ClientSecretFile;
        let hint = if is_optional { format!("[{example}]") } else { format!("(such as {example})") };
        loop {
            write!(io::stderr(), "{words} {hint}: ")
                .and_then(|()| io::stderr().flush())
                .map_err(Failed::ran)?;
            let mut line = String::new();
            if io::stdin().lock().read_line(&mut line).map_err(Failed::ran)? == 0 {
                return Err(Failed::Usage("the input ended before all was answered".to_owned()));
            }
            let answer = match line.trim() {
                "" if is_optional => example,
                "" => continue,
                answer => answer,
            };
            self.0.push((question, answer.to_owned()));
            let Some(finding) = self.complaint(question, config) else { return Ok(()) };
            self.0.pop();
            let help = finding.help.map(|help| format!(" ({help})")).unwrap_or_default();
            _ = writeln!(io::stderr(), "  {}{help}", finding.message);
        }
    }

    /// The fault of the latest answer.
    fn complaint(&self, question: Question, config: &Path) -> Option<Diagnostic> {
        if let (Question::EmailDomain, Some((_, domain))) = (question, self.0.last())
            && let Some(finding) = no_domain(domain)
        {
            return Some(finding);
        }
        let refusal = examined(config, &self.configuration()).err()?;
        refusal.findings.into_iter().find(|finding| finding.path.starts_with(question.key()))
    }

    /// The text with all answers in it, in one pass: no answer is taken for a part of the text.
    fn configuration(&self) -> String {
        let mut text = String::new();
        let mut rest = TEXT;
        loop {
            let found = self.0.iter().filter_map(|(question, answer)| {
                let stands_for = question.stands_for();
                rest.find(stands_for).map(|at| (at, stands_for, *question, answer.as_str()))
            });
            let Some((at, stands_for, question, answer)) = found.min_by_key(|(at, ..)| *at) else { break };
            text += rest.get(..at).unwrap_or_default();
            text += &match question {
                Question::PublicUrl | Question::Issuer => scalar(answer),
                Question::ClientId => format!("client_id: {}", scalar(answer)),
                Question::ClientSecretFile => format!("file: {}", scalar(answer)),
                Question::EmailDomain => answer.to_ascii_lowercase(),
            };
            rest = rest.get(at + stands_for.len()..).unwrap_or_default();
        }
        text += rest;
        match self.answer(Question::PublicUrl).and_then(|url| Url::parse(url).ok()) {
            // Plain `http` means one machine, without a balancer.
            Some(url) if url.scheme() == "http" => {
                let port = url.port_or_known_default().unwrap_or(80);
                let here = format!("address: 127.0.0.1:{port}\n  direct_clients: true");
                text.replacen("address: \"[::]:8080\"", &here, 1)
            }
            _ => text,
        }
    }

    fn answer(&self, question: Question) -> Option<&str> {
        self.0.iter().find(|(asked, _)| *asked == question).map(|(_, answer)| answer.as_str())
    }

    fn next_steps(&self, config: &Path, key: &Path) -> String {
        let (config, key) = (config.display(), key.display());
        let public_url = self.answer(Question::PublicUrl).unwrap_or_default().trim_end_matches('/');
        let client = self.answer(Question::ClientId).unwrap_or_default();
        let secret = self.answer(Question::ClientSecretFile).unwrap_or_default();
        format!(
            "wrote {config}, and {key} for its owner alone\n\
             next:\n\
             \x20 - register {public_url}/-/callback as a redirect URI of the client `{client}` at your identity provider\n\
             \x20 - put the client's secret into `{secret}`, which must be readable for the user that Postern runs as\n\
             \x20 - in {config}, read the lines that begin with `# Change`\n\
             \x20 - postern check --config {config} --with-secrets\n\
             \x20 - postern doctor --config {config}\n\
             \x20 - postern serve --config {config}\n"
        )
    }
}

/// Whether the text is a configuration whose rules compile and whose tests pass.
fn examined(config: &Path, text: &str) -> Result<(), Box<Diagnostics>> {
    let folder = config.parent().unwrap_or(Path::new(""));
    let configuration = compiled(config::load_text(&config.display().to_string(), text, folder)?)?;
    match configuration.failing_test() {
        None => Ok(()),
        Some(message) => {
            let source = configuration.loaded.source;
            Err(Box::new(Diagnostics::new(
                source,
                vec![Diagnostic::new("tests", Location::default(), message)],
            )))
        }
    }
}

/// A YAML text: as it is, or in double quotes as JSON writes them.
fn scalar(text: &str) -> String {
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._:/-".contains(c))
        && !text.ends_with(':');
    if is_plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

/// The fault of a domain that could not stand inside of expressions and addresses.
fn no_domain(text: &str) -> Option<Diagnostic> {
    let is_legal = text.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c)) && text.contains('.');
    let message = || format!("found `{}`; allowed: a domain such as `corp.example`", text.escape_debug());
    (!is_legal).then(|| Diagnostic::new(Question::EmailDomain.key(), Location::default(), message()))
}

/// A path of the command line, relative to the configuration's folder.
fn from_here(path: &Path, config: &Path) -> String {
    let folder = config.parent().filter(|folder| !folder.as_os_str().is_empty());
    let seen = match folder {
        Some(folder) => match path.strip_prefix(folder) {
            Ok(below) => below.to_owned(),
            Err(_) => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
        },
        None => path.to_owned(),
    };
    seen.to_string_lossy().into_owned()
}

fn create(path: &PathBuf, text: &str, mode: u32) -> Result<(), Failed> {
    let written = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    written.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| {
        let why = match error.kind() {
            ErrorKind::AlreadyExists => "it is there already, and nothing is overwritten".to_owned(),
            _ => error.to_string(),
        };
        Failed::ran(format!("{}: {why}", path.display()))
    })
}
