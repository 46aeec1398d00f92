#[test]
fn schema() {
    println!(
        "{}",
        serde_json::to_string_pretty(&schemars::schema_for!(postern::config::file::Document)).unwrap()
    );
}
