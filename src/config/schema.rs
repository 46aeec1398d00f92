//! The JSON Schema of the configuration, for editors and for the check of a file.

use super::file::Document;
use super::patterns;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

/// JSON Schema, draft 2020-12.
pub fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<Document>().to_value();
    refuse_null(&mut schema);
    patterns::add(&mut schema);
    if let Value::Object(root) = &mut schema {
        root.insert("title".to_owned(), Value::from("Postern"));
    }
    schema
}

/// An optional key is left out, never `null`: takes out the `null` that an `Option` brings.
fn refuse_null(schema: &mut Value) {
    match schema {
        Value::Object(keywords) => {
            keywords.values_mut().for_each(refuse_null);
            if let Some(Value::Array(types)) = keywords.get_mut("type") {
                types.retain(|word| word != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    keywords.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(choices)) = keywords.get_mut("anyOf") {
                choices.retain(|choice| choice.get("type") != Some(&Value::from("null")));
                if let [Value::Object(only)] = choices.as_slice() {
                    let only: Map<String, Value> = only.clone();
                    keywords.remove("anyOf");
                    keywords.extend(only);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(refuse_null),
        _ => {}
    }
}
