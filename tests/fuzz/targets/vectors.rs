//! Public test vectors as inputs. They are other people's data, read from where they lie and never kept here.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Longer inputs slow a fuzzer down and find no more.
const LONGEST: usize = 16 * 1024;

/// What the vectors below `root` hold for a target.
pub(crate) fn inputs(target: &str, root: &Path) -> Vec<Vec<u8>> {
    let vectors = Vectors(root);
    let inputs = match target {
        "token" => vectors.tokens(),
        "redirect_path" => vectors.redirects(),
        "callback_query" => vectors.queries(),
        "cookie" => vectors.cookies(),
        "jwks" => vectors.key_sets(),
        "paths" => vectors.paths(),
        "cel" => vectors.expressions(),
        "yaml" => vectors.documents(),
        _ => Vec::new(),
    };
    inputs.into_iter().filter(|input| input.len() <= LONGEST).collect()
}

struct Vectors<'a>(&'a Path);

impl Vectors<'_> {
    /// Wycheproof's and RFC 7520's tokens as bearer tokens, and JSONTestSuite as what the issuer signs.
    fn tokens(&self) -> Vec<Vec<u8>> {
        let wycheproof = self.json("wycheproof/json_web_signature_test.json");
        let cookbook = self.files("jose-cookbook/jws").into_iter().map(|file| parsed(&file));
        let compact = cookbook.filter_map(|example| Some(example["output"]["compact"].as_str()?.to_owned()));
        let tokens = texts_named(&wycheproof, "jws").into_iter().chain(compact);
        let mut inputs: Vec<Vec<u8>> = tokens.map(|token| format!("Bearer {token}").into_bytes()).collect();
        for document in self.json_documents() {
            inputs.push([b"sign:{\"alg\":\"EdDSA\",\"kid\":\"k1\"}\n", document.as_slice()].concat());
            inputs.push([b"sign:", document.as_slice(), b"\n{}"].concat());
        }
        inputs.extend(self.contents("mod_auth_openidc/test/fuzz/corpus/jwt"));
        inputs
    }

    fn redirects(&self) -> Vec<Vec<u8>> {
        let suite = self.json("cases/open_redirect_public.json");
        let urls = self.json("rust-url/url/tests/urltestdata.json");
        let lists = [
            "oauth2-proxy/openredirects.txt",
            "PayloadsAllTheThings/Open Redirect/Intruder/Open-Redirect-payloads.txt",
            "PayloadsAllTheThings/Open Redirect/Intruder/open_redirect_wordlist.txt",
            "PayloadsAllTheThings/Open Redirect/Intruder/openredirects.txt",
            "PayloadsAllTheThings/CRLF Injection/Files/crlfinjection.txt",
            "PayloadsAllTheThings/Directory Traversal/Intruder/directory_traversal.txt",
        ];
        let texts = texts_named(&suite, "candidate").into_iter().chain(texts_named(&urls, "input"));
        let listed = lists.into_iter().flat_map(|list| self.lines(list));
        texts.chain(listed).chain(self.naughty()).map(String::into_bytes).collect()
    }

    /// Every text that was used against a redirect or a form, as the value of each parameter.
    fn queries(&self) -> Vec<Vec<u8>> {
        let mut inputs = Vec::new();
        for text in self.naughty() {
            let value: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
            inputs
                .push(format!("state={{own}}&error=access_denied&error_description={value}\n{{own-cookie}}"));
            inputs.push(format!("state={{own}}&code={value}&iss={value}\n{{own-cookie}}"));
            inputs.push(format!("{value}&state={{own}}&error={value}\n{{own-cookie}}; {{session}}"));
        }
        let mut inputs: Vec<Vec<u8>> = inputs.into_iter().map(String::into_bytes).collect();
        for folder in ["form_params", "state_cookie", "discovery_response", "url"] {
            inputs.extend(self.contents(&format!("mod_auth_openidc/test/fuzz/corpus/{folder}")));
        }
        inputs
    }

    fn cookies(&self) -> Vec<Vec<u8>> {
        let mut inputs = self.contents("mod_auth_openidc/test/fuzz/corpus/cookie");
        inputs.extend(self.contents("mod_auth_openidc/test/fuzz/corpus/base64"));
        inputs.extend(
            self.naughty().into_iter().map(|text| format!("__Host-postern-session={text}").into_bytes()),
        );
        inputs
    }

    fn key_sets(&self) -> Vec<Vec<u8>> {
        let mut inputs = self.contents("mod_auth_openidc/test/fuzz/corpus/jwks");
        for file in ["json_web_key_test.json", "json_web_signature_test.json", "x25519_jwk_test.json"] {
            let groups = self.json(&format!("wycheproof/{file}"));
            for group in groups["testGroups"].as_array().into_iter().flatten() {
                for key in ["public", "private"].into_iter().filter_map(|name| group.get(name)) {
                    let set = if key.get("keys").is_some() { key.clone() } else { json!({"keys": [key]}) };
                    inputs.push(set.to_string().into_bytes());
                }
            }
        }
        for file in self.files("jose-cookbook/jwk") {
            inputs.push(json!({"keys": [parsed(&file)]}).to_string().into_bytes());
        }
        for document in self.json_documents() {
            inputs.push([b"{\"keys\":[{key},", document.as_slice(), b"]}"].concat());
            inputs.push(document);
        }
        inputs
    }

    fn paths(&self) -> Vec<Vec<u8>> {
        let lists = [
            "PayloadsAllTheThings/Directory Traversal/Intruder/directory_traversal.txt",
            "PayloadsAllTheThings/Directory Traversal/Intruder/traversals-8-deep-exotic-encoding.txt",
        ];
        let listed: Vec<String> =
            lists.into_iter().flat_map(|list| self.lines(list)).chain(self.naughty()).collect();
        let below = |text: &String| format!("lab/tree/{text}\n{text}\nlab/tree/**");
        let inputs = listed.iter().flat_map(|text| [format!("{text}\n\n**"), below(text)]);
        inputs.map(String::into_bytes).collect()
    }

    fn expressions(&self) -> Vec<Vec<u8>> {
        let texts = self.naughty().into_iter().flat_map(|text| {
            let quoted = json!(text).to_string();
            [
                format!("user == {quoted} || {quoted} in groups"),
                format!("local_part({quoted}, 'corp.example') == user"),
                text,
            ]
        });
        texts.map(String::into_bytes).collect()
    }

    /// JSON is YAML.
    fn documents(&self) -> Vec<Vec<u8>> {
        let texts =
            self.naughty().into_iter().map(|text| format!("public_url: {text}\nportal: {}\n", json!(text)));
        texts.map(String::into_bytes).chain(self.json_documents()).collect()
    }

    fn json_documents(&self) -> Vec<Vec<u8>> {
        self.contents("JSONTestSuite/test_parsing")
    }

    fn naughty(&self) -> Vec<String> {
        let texts = self.json("blns/blns.json");
        texts.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    }

    fn json(&self, file: &str) -> Value {
        parsed(&self.0.join(file))
    }

    fn lines(&self, file: &str) -> Vec<String> {
        let text = std::fs::read(self.0.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        String::from_utf8_lossy(&text).lines().map(str::to_owned).collect()
    }

    fn contents(&self, folder: &str) -> Vec<Vec<u8>> {
        self.files(folder).iter().map(|file| std::fs::read(file).unwrap()).collect()
    }

    /// In the order of their names.
    fn files(&self, folder: &str) -> Vec<PathBuf> {
        let entries =
            std::fs::read_dir(self.0.join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
        let mut files: Vec<PathBuf> =
            entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
        files.sort();
        files
    }
}

fn parsed(file: &Path) -> Value {
    let text = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Every text of this name, however deep.
fn texts_named(value: &Value, name: &str) -> Vec<String> {
    match value {
        Value::Object(members) => members
            .iter()
            .flat_map(|(member, value)| match value {
                Value::String(text) if member == name => vec![text.clone()],
                value => texts_named(value, name),
            })
            .collect(),
        Value::Array(values) => values.iter().flat_map(|value| texts_named(value, name)).collect(),
        _ => Vec::new(),
    }
}
