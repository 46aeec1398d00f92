//! The members of a call's input, and the refusals if they are missing.

use hyper::StatusCode;
use serde_json::Value;

/// A refusal: status, MLflow's word and a sentence.
pub(in crate::sandbox) type Refusal = (StatusCode, &'static str, String);

/// # Errors
///
/// There is no such member with a text.
pub(super) fn text(input: &Value, member: &str) -> Result<String, Refusal> {
    let found = input.get(member).and_then(Value::as_str);
    found
        .map(str::to_owned)
        .ok_or_else(|| invalid(format!("Missing value for required parameter '{member}'.")))
}

/// Protocol Buffers write large numbers as texts.
pub(super) fn number(input: &Value, member: &str) -> Option<i64> {
    let value = input.get(member)?;
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

pub(super) fn listed<'a>(input: &'a Value, member: &str) -> &'a [Value] {
    input.get(member).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(super) fn invalid(message: String) -> Refusal {
    (StatusCode::BAD_REQUEST, "INVALID_PARAMETER_VALUE", message)
}
