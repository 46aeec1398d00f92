//! Where a browser goes after sign-in: on this origin, whoever reads the text, and to no page that begins or ends it.

use postern::sign_in::return_to::ReturnTo;
use url::{Url, form_urlencoded};

const ORIGIN: &str = "https://gw.example.com";
/// Where a browser may stand when it is told `Location`.
const BASES: [&str; 4] = [
    "https://gw.example.com/",
    "https://gw.example.com/-/callback?code=a&state=b",
    "https://gw.example.com/a/b/",
    "https://gw.example.com//evil.example/..",
];

pub(super) fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    stays(&ReturnTo::parse(&text), &text);
    let encoded: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let by_query = ReturnTo::from_query(Some(&format!("a=b&return_to={encoded}")));
    assert_eq!(by_query, ReturnTo::parse(&text), "a query carries the text as it is");
    let as_query = ReturnTo::from_query(Some(&text));
    stays(&as_query, as_query.as_str());
    let twice = ReturnTo::from_query(Some(&format!("return_to={encoded}&return_to=/studio")));
    assert_eq!(twice, ReturnTo::default(), "of two, none");
}

fn stays(accepted: &ReturnTo, text: &str) {
    let path = accepted.as_str();
    assert!(path == text || path == "/", "the text itself or the default page");
    assert_eq!(ReturnTo::parse(path), *accepted, "what was accepted is accepted again");
    assert!(path.starts_with('/') && !path.starts_with("//") && path.len() <= 2048, "{path:?}");
    assert!(path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\' && byte != b'#'), "{path:?}");
    assert_eq!(accepted.to_location().as_bytes(), path.as_bytes(), "`Location` says the same");
    let query = accepted.query().map(|query| format!("?{query}")).unwrap_or_default();
    assert_eq!(format!("{}{query}", accepted.path()), path);
    for base in BASES {
        let landed = Url::parse(base).unwrap().join(path).unwrap();
        assert_eq!(landed.origin().ascii_serialization(), ORIGIN, "{path:?} from {base}");
        assert!(landed.username().is_empty() && landed.password().is_none(), "{path:?} from {base}");
        let decoded = percent_encoding::percent_decode_str(landed.path()).collect::<Vec<u8>>();
        let own = decoded == b"/-" || decoded.starts_with(b"/-/");
        assert!(
            !own || ["/-/whoami", "/-/tokens", "/-/terminal"].contains(&accepted.path()),
            "{path:?} from {base} is {landed}"
        );
    }
}
