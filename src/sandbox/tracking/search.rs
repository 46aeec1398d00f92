//! Searching runs: comparisons joined by `AND`, and pages.

use super::input::{Refusal, invalid, listed, number};
use super::run::Run;
use serde_json::{Value, json};

const COMPARISONS: [&str; 6] = ["!=", ">=", "<=", "=", ">", "<"];

pub(super) fn runs(runs: &[Run], input: &Value) -> Result<Value, Refusal> {
    let experiments = listed(input, "experiment_ids");
    let filter = input.get("filter").and_then(Value::as_str).unwrap_or_default();
    let conditions = conditions(filter)?;
    let view = input.get("run_view_type").and_then(Value::as_str).unwrap_or("ACTIVE_ONLY");
    let mut found: Vec<&Run> = runs
        .iter()
        .filter(|run| experiments.iter().any(|id| id.as_str() == Some(&run.experiment)))
        .filter(|run| match view {
            "ALL" => true,
            "DELETED_ONLY" => run.is_deleted,
            _ => !run.is_deleted,
        })
        .filter(|run| conditions.iter().all(|condition| condition.holds(run)))
        .collect();
    // The newest first; of two that began together, the later one.
    found.reverse();
    found.sort_by_key(|run| std::cmp::Reverse(run.started));
    if let Some(order) = listed(input, "order_by").first().and_then(Value::as_str) {
        sort(&mut found, order)?;
    }
    let from = input.get("page_token").and_then(Value::as_str).filter(|token| !token.is_empty());
    let from: usize = match from {
        None => 0,
        Some(token) => token.parse().map_err(|_| invalid("Invalid page token".to_owned()))?,
    };
    let most = number(input, "max_results").and_then(|most| usize::try_from(most).ok()).unwrap_or(1000);
    let page: Vec<Value> = found.iter().skip(from).take(most).map(|run| run.json()).collect();
    let to = from + page.len();
    let mut answer = json!({"runs": page});
    if let (true, Some(members)) = (to < found.len(), answer.as_object_mut()) {
        members.insert("next_page_token".to_owned(), json!(to.to_string()));
    }
    Ok(answer)
}

fn sort(found: &mut [&Run], order: &str) -> Result<(), Refusal> {
    let mut words = order.split_whitespace();
    let (field, direction) = (words.next().unwrap_or_default(), words.next().unwrap_or("ASC"));
    let Some(metric) = field.strip_prefix("metrics.") else {
        return if matches!(field, "start_time" | "attributes.start_time") && direction == "DESC" {
            Ok(())
        } else {
            Err(invalid(format!("The sandbox's MLflow does not order by '{order}'.")))
        };
    };
    let metric = metric.trim_matches(['`', '"']);
    let value = |run: &Run| run.metric(metric).unwrap_or(f64::NEG_INFINITY);
    found.sort_by(|one, other| value(one).total_cmp(&value(other)));
    if direction == "DESC" {
        found.reverse();
    }
    Ok(())
}

struct Condition {
    of: Of,
    key: String,
    comparison: &'static str,
    value: String,
}

enum Of {
    Metric,
    Param,
    Tag,
    Status,
}

fn conditions(filter: &str) -> Result<Vec<Condition>, Refusal> {
    let parts = filter.split(" AND ").flat_map(|part| part.split(" and "));
    parts.map(str::trim).filter(|part| !part.is_empty()).map(condition).collect()
}

fn condition(part: &str) -> Result<Condition, Refusal> {
    let unknown = || invalid(format!("The sandbox's MLflow does not understand the filter '{part}'."));
    let comparison = COMPARISONS.into_iter().find(|comparison| part.contains(comparison));
    let comparison = comparison.ok_or_else(unknown)?;
    let (field, value) = part.split_once(comparison).ok_or_else(unknown)?;
    let (sort, key) = field.trim().split_once('.').ok_or_else(unknown)?;
    let key = key.trim_matches(['`', '"']).to_owned();
    let of = match (sort, key.as_str()) {
        ("metrics" | "metric", _) => Of::Metric,
        ("params" | "param", _) => Of::Param,
        ("tags" | "tag", _) => Of::Tag,
        ("attributes" | "attribute", "status") => Of::Status,
        _ => return Err(unknown()),
    };
    let value = value.trim();
    let value = match of {
        Of::Metric => value.parse::<f64>().map_err(|_| unknown())?.to_string(),
        Of::Param | Of::Tag | Of::Status if matches!(comparison, "=" | "!=") => {
            value.trim_matches(['\'', '"']).to_owned()
        }
        Of::Param | Of::Tag | Of::Status => return Err(unknown()),
    };
    Ok(Condition { of, key, comparison, value })
}

impl Condition {
    fn holds(&self, run: &Run) -> bool {
        let text = match self.of {
            Of::Metric => {
                let (Some(found), Ok(wanted)) = (run.metric(&self.key), self.value.parse::<f64>()) else {
                    return false;
                };
                return match self.comparison {
                    "=" => found == wanted,
                    "!=" => found != wanted,
                    ">=" => found >= wanted,
                    "<=" => found <= wanted,
                    ">" => found > wanted,
                    _ => found < wanted,
                };
            }
            Of::Param => run.params.get(&self.key),
            Of::Tag => run.tags.get(&self.key),
            Of::Status => Some(&run.status),
        };
        text.is_some_and(|text| (*text == self.value) == (self.comparison == "="))
    }
}
