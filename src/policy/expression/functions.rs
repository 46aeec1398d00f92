//! The functions that expressions may call beside CEL's own.

use super::strict;
use crate::policy::join::join;
use crate::policy::lookup::Table;
use crate::policy::profile_name::{Prefix, prefixed_profile_name, profile_name};
use cel::common::types::CelString;
use cel::extractors::This;
use cel::{Context, DeclarationError, Env, ExecutionError, FunctionContext, Value};
use ipnet::IpNet;
use regex::Regex;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

/// The patterns of all `matches(…)`, compiled once, by their text.
pub(in crate::policy) type Patterns = HashMap<String, Regex>;

/// CEL's functions and ours, ready to be called.
pub(in crate::policy) struct Library(Context<'static, 'static>);

type Text = Arc<String>;
type Answer<T> = Result<T, ExecutionError>;

impl Library {
    /// # Errors
    ///
    /// CEL has a function of the same name: a new version of the crate may.
    pub(in crate::policy) fn new(
        patterns: Patterns,
        tables: BTreeMap<String, Table>,
    ) -> Result<Self, DeclarationError> {
        let mut context = Context::with_env(Arc::new(Env::stdlib()));
        strict::add_functions(&mut context)?;
        context.add_function("lowerAscii", |This(text): This<Text>| text.to_ascii_lowercase())?;
        context.add_function("local_part", |email: Text, domain: Text| {
            local_part(&email, &domain).map(Value::from)
        })?;
        context.add_function("in_cidr", |address: Text, network: Text| in_cidr(&address, &network))?;
        context.add_function("matches", move |This(text): This<Text>, pattern: Text| -> Answer<bool> {
            let pattern = patterns.get(pattern.as_str()).ok_or_else(|| not_compiled("matches"))?;
            Ok(pattern.is_match(&text))
        })?;
        context.add_function("lookup", move |table: Text, key: Text| -> Answer<Value> {
            let entries = tables.get(table.as_str()).ok_or_else(|| not_compiled("lookup"))?;
            let value = entries.find(&key).map(Value::from);
            value.ok_or_else(|| failure("lookup", format!("`{table}` has no such key")))
        })?;
        context.add_function("profile_name", name_of_profile)?;
        context.add_function("join", joined)?;
        // `shared_by` is a mark for the check of the configuration, and changes no text.
        context.add_function("shared_by", |text: Text| text.as_str().to_owned())?;
        Ok(Self(context))
    }

    pub(super) fn context<'s, 'v>(&'s self) -> &'s Context<'s, 'v> {
        &self.0
    }
}

impl std::fmt::Debug for Library {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Library(..)")
    }
}

/// The part of an e-mail address before its one `@`, lower case in ASCII, if the part after it is `domain`.
fn local_part(email: &str, domain: &str) -> Answer<String> {
    let refuse = |reason: String| Err(failure("local_part", reason));
    match email.split_once('@') {
        Some((local, rest)) if !local.is_empty() && !rest.contains('@') => {
            if rest.eq_ignore_ascii_case(domain) {
                Ok(local.to_ascii_lowercase())
            } else {
                refuse(format!("the address is not of `{domain}`"))
            }
        }
        _ => refuse("the text is not an e-mail address with exactly one `@`".to_owned()),
    }
}

/// Whether an address lies in a network; IPv4-mapped IPv6 (RFC 4291, section 2.5.5.2) counts as IPv4 on both sides.
fn in_cidr(address: &str, network: &str) -> Answer<bool> {
    let address: IpAddr = address.parse().map_err(|_| failure("in_cidr", "the text is not an IP address"))?;
    let network: IpNet = network.parse().map_err(|_| not_compiled("in_cidr"))?;
    Ok(folded(network).contains(&address.to_canonical()))
}

/// An IPv4-mapped network as the IPv4 network that it means.
pub(super) fn folded(network: IpNet) -> IpNet {
    let IpNet::V6(six) = network else { return network };
    match (six.network().to_ipv4_mapped(), six.prefix_len().checked_sub(96)) {
        (Some(four), Some(length)) => IpNet::new(four.into(), length).unwrap_or(network),
        _ => network,
    }
}

/// `profile_name(text)` and `profile_name('prefix', text)`.
#[expect(clippy::needless_pass_by_value, reason = "what the interpreter calls")]
fn name_of_profile(call: &FunctionContext<'_, '_>, first: Text) -> Answer<Value> {
    let name = match call.args.get(1) {
        None => profile_name(&first),
        Some(second) => {
            let text = second.downcast_ref::<CelString<'_>>();
            let text = text.ok_or_else(|| failure("profile_name", "the value is not a string"))?;
            let prefix = Prefix::parse(&first).ok_or_else(|| not_compiled("profile_name"))?;
            prefixed_profile_name(&prefix, text.inner())
        }
    };
    name.map(|name| Value::from(name.as_str())).ok_or_else(|| failure("profile_name", "the text is empty"))
}

/// `join(one, other, …)`
fn joined(call: &FunctionContext<'_, '_>) -> Answer<Value> {
    let texts = call.args.iter().map(|argument| argument.downcast_ref::<CelString<'_>>());
    let texts: Option<Vec<&CelString<'_>>> = texts.collect();
    let texts = texts.ok_or_else(|| failure("join", "a value is not a string"))?;
    Ok(Value::from(join(texts.iter().map(|text| text.inner()))))
}

fn failure(function: &str, reason: impl ToString) -> ExecutionError {
    ExecutionError::function_error(function, reason)
}

/// Loading checks every constant argument, so this is a fault of ours; it denies like every failure.
fn not_compiled(function: &str) -> ExecutionError {
    failure(function, "an argument is not the constant that was checked at load")
}
