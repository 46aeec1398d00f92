//! The complete list of names and functions that an expression may use.

/// The type of a value, as far as it is known before evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Any,
    Bool,
    Number,
    String,
    List,
    Map,
    Null,
}

impl Type {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Any => "a value",
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::List => "a list",
            Self::Map => "a map",
            Self::Null => "null",
        }
    }

    /// Whether a value of this type may be one of `other`.
    pub(super) fn may_be(self, other: Self) -> bool {
        self == other || self == Self::Any || other == Self::Any
    }
}

pub(super) const VARIABLES: [(&str, Type); 6] = [
    ("user", Type::String),
    ("groups", Type::List),
    ("claims", Type::Map),
    ("issuer", Type::String),
    ("realm", Type::String),
    ("client_ip", Type::String),
];

/// The macros that CEL expands while it parses; one that is called wrongly stays a call.
pub(super) const MACROS: [(&str, &str); 6] = [
    ("has", "has(claims.name)"),
    ("all", "list.all(element, condition)"),
    ("exists", "list.exists(element, condition)"),
    ("exists_one", "list.exists_one(element, condition)"),
    ("filter", "list.filter(element, condition)"),
    ("map", "list.map(element, value)"),
];

pub(super) struct Function {
    pub(super) name: &'static str,
    pub(super) form: Form,
    /// The text before the dot, where the function is a method, comes first.
    pub(super) parameters: &'static [Parameter],
    pub(super) result: Type,
    pub(super) usage: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Global,
    Method,
    Either,
}

#[derive(Clone, Copy)]
pub(super) enum Parameter {
    Is(&'static [Type]),
    /// A string that is not the empty constant.
    Part,
    /// From here on, each parameter is a constant.
    Network,
    Pattern,
    Table,
    Domain,
    Prefix,
}

const TEXT: Parameter = Parameter::Is(&[Type::String]);

pub(super) const FUNCTIONS: [Function; 15] = [
    method("contains", &[TEXT, Parameter::Part], Type::Bool, "text.contains(part)"),
    method("endsWith", &[TEXT, Parameter::Part], Type::Bool, "text.endsWith(part)"),
    method("startsWith", &[TEXT, Parameter::Part], Type::Bool, "text.startsWith(part)"),
    method("lowerAscii", &[TEXT], Type::String, "text.lowerAscii()"),
    global("in_cidr", &[TEXT, Parameter::Network], Type::Bool, "in_cidr(ip, 'network')"),
    global("local_part", &[TEXT, Parameter::Domain], Type::String, "local_part(email, 'domain')"),
    global("lookup", &[Parameter::Table, TEXT], Type::String, "lookup('table', key)"),
    global("profile_name", &[TEXT], Type::String, "profile_name(text)"),
    global("profile_name", &[Parameter::Prefix, TEXT], Type::String, "profile_name('prefix', text)"),
    global("join", &[TEXT, TEXT], Type::String, "join(one, other)"),
    global("join", &[TEXT, TEXT, TEXT], Type::String, "join(one, other, third)"),
    global("join", &[TEXT, TEXT, TEXT, TEXT], Type::String, "join(one, other, third, fourth)"),
    global("shared_by", &[TEXT], Type::String, "shared_by(text)"),
    either("matches", &[TEXT, Parameter::Pattern], Type::Bool, "matches(text, 'pattern')"),
    either("size", &[Parameter::Is(&[Type::List, Type::Map, Type::String])], Type::Number, "size(list)"),
];

type Parameters = &'static [Parameter];

const fn global(name: &'static str, parameters: Parameters, result: Type, usage: &'static str) -> Function {
    Function { name, form: Form::Global, parameters, result, usage }
}

const fn method(name: &'static str, parameters: Parameters, result: Type, usage: &'static str) -> Function {
    Function { name, form: Form::Method, parameters, result, usage }
}

const fn either(name: &'static str, parameters: Parameters, result: Type, usage: &'static str) -> Function {
    Function { name, form: Form::Either, parameters, result, usage }
}
