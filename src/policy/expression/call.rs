//! Calls of functions: the right name, form and number of arguments, and constants where a constant must stand.

use super::check::{Check, is_groups, symbol};
use super::functions::folded;
use super::pattern;
use super::signature::{FUNCTIONS, Form, Function, MACROS, Parameter, Type};
use crate::config::diagnostics::{did_you_mean, did_you_mean_or_all};
use crate::policy::profile_name::{ALLOWED_PREFIX, Prefix};
use cel::IdedExpr;
use cel::common::ast::{CallExpr, Expr, LiteralValue};
use ipnet::IpNet;

impl Check<'_> {
    /// The type of what a call yields.
    pub(super) fn function(&mut self, at: &IdedExpr, name: &str, call: &CallExpr) -> Type {
        let mut arguments: Vec<&IdedExpr> = call.target.iter().map(AsRef::as_ref).collect();
        arguments.extend(&call.args);
        let named: Vec<&Function> = FUNCTIONS.iter().filter(|function| function.name == name).collect();
        let fits = |function: &&&Function| {
            let form = if call.target.is_some() { Form::Method } else { Form::Global };
            (function.form == form || function.form == Form::Either)
                && function.parameters.len() == arguments.len()
        };
        let of_groups = call.target.as_deref().is_some_and(is_groups);
        if let Some(function) = named.iter().find(fits).filter(|found| !of_groups || found.name == "size") {
            for (parameter, argument) in function.parameters.iter().zip(arguments) {
                self.argument(function, *parameter, argument);
            }
            if let ([Parameter::Table, ..], [table, key]) = (function.parameters, call.args.as_slice()) {
                self.looked_up.extend(constant(table).map(|table| (table.to_owned(), key.clone())));
            }
            return function.result;
        }
        if let Some(help) = group_meant(name, call) {
            let message = format!("`{}` is not how groups are asked", symbol(name));
            return self.refused(at, message, help);
        }
        let usages = named.iter().map(|function| function.usage);
        let usages = usages.chain(MACROS.iter().filter(|(known, _)| *known == name).map(|(_, usage)| *usage));
        let usages: Vec<String> = usages.map(|usage| format!("`{usage}`")).collect();
        if usages.is_empty() {
            let functions = FUNCTIONS.iter().map(|function| function.name);
            let mut known: Vec<&str> = functions.chain(MACROS.iter().map(|(known, _)| *known)).collect();
            known.dedup();
            let help = did_you_mean_or_all(name, known);
            self.problem_with_help(at, format!("there is no function `{}`", symbol(name)), Some(help));
        } else {
            self.problem(at, format!("`{name}` is called as {}", usages.join(" or ")));
        }
        Type::Any
    }

    fn refused(&mut self, at: &IdedExpr, message: String, help: String) -> Type {
        self.problem_with_help(at, message, Some(help));
        Type::Any
    }

    fn argument(&mut self, function: &Function, parameter: Parameter, argument: &IdedExpr) {
        let Function { name, usage, .. } = function;
        if let Parameter::Is(allowed) = parameter {
            let found = self.expression(argument);
            if !allowed.iter().any(|allowed| found.may_be(*allowed)) {
                self.problem(argument, format!("`{name}` does not take {}", found.words()));
            }
            return;
        }
        let Some(written) = constant(argument) else {
            if let Parameter::Part = parameter {
                return self.argument(function, Parameter::Is(&[Type::String]), argument);
            }
            return self
                .problem(argument, format!("`{usage}` needs a constant where a text in quotes stands"));
        };
        match parameter {
            Parameter::Is(_) => {}
            Parameter::Part if written.is_empty() => {
                self.problem(argument, format!("`{name}('')` is true for every text"));
            }
            Parameter::Part => {}
            Parameter::Network => self.network(argument, written),
            Parameter::Pattern => match pattern::compile(written) {
                Ok(compiled) => {
                    self.patterns.insert(written.to_owned(), compiled);
                }
                Err(reason) => self.problem(argument, format!("the pattern `{written}` {reason}")),
            },
            Parameter::Table => {
                if !self.vocabulary.tables.contains_key(written) {
                    let help = did_you_mean(written, self.vocabulary.tables.keys().map(String::as_str));
                    self.problem_with_help(
                        argument,
                        format!("there is no table `{written}` in `lookups`"),
                        help,
                    );
                }
            }
            Parameter::Domain => {
                if written.is_empty() || written.contains(|c: char| c == '@' || c.is_whitespace()) {
                    self.problem(
                        argument,
                        format!("`{written}` is not a domain: write what follows the `@`"),
                    );
                }
            }
            Parameter::Prefix => {
                if Prefix::parse(written).is_none() {
                    self.problem(
                        argument,
                        format!("the prefix `{written}` is not allowed: {ALLOWED_PREFIX}"),
                    );
                }
            }
        }
    }

    fn network(&mut self, at: &IdedExpr, written: &str) {
        let Ok(network) = written.parse::<IpNet>() else {
            return self.problem(at, format!("`{written}` is not a network such as `10.20.0.0/16`"));
        };
        if network.addr() != network.network() {
            let help = format!("write `{}`", network.trunc());
            return self.problem_with_help(
                at,
                format!("`{written}` has bits set behind its prefix"),
                Some(help),
            );
        }
        for proxy in self.vocabulary.trusted_proxies {
            if folded(*proxy).contains(&folded(network)) {
                let message = format!("`{written}` lies in the trusted proxy network `{proxy}`");
                let help = "whoever is in a trusted proxy network may claim any address: list the proxies' own \
                            subnets only";
                self.problem_with_help(at, message, Some(help.to_owned()));
            }
        }
    }
}

/// The way to ask for a group, where a call was meant to do that.
fn group_meant(name: &str, call: &CallExpr) -> Option<String> {
    let asked = call.args.first().and_then(constant).unwrap_or("name");
    if call.target.as_deref().is_some_and(is_groups) {
        let is_macro = name != "has" && MACROS.iter().any(|(known, _)| *known == name);
        return (!is_macro && name != "size").then(|| match name {
            "startsWith" | "endsWith" => format!("write groups.exists(group, group.{name}('{asked}'))"),
            "matches" => format!("write groups.exists(group, matches(group, '{asked}'))"),
            _ => format!("write '{asked}' in groups"),
        });
    }
    let is_unknown = FUNCTIONS.iter().all(|function| function.name != name);
    (is_unknown && name.to_ascii_lowercase().contains("group")).then(|| format!("write '{asked}' in groups"))
}

fn constant(expression: &IdedExpr) -> Option<&str> {
    match &expression.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}
