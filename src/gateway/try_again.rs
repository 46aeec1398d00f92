//! Pages that try again by themselves: less and less often, and not for ever. A tab that stays open for a night must not
//! hammer, so the address counts the tries.

/// The query parameter that counts the tries.
const KEY: &str = "-try=";

/// How often and how long a page tries by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience {
    pub(super) most: u32,
    /// Waits grow up to this, unless the first is longer.
    longest_seconds: u64,
}

/// About twenty minutes.
pub(super) const USUAL: Patience = Patience { most: 20, longest_seconds: 60 };
/// About an hour, if the first wait is a third of a minute.
pub(super) const OF_A_START: Patience = Patience { most: 32, longest_seconds: 120 };

/// The next attempt of a page that tries again by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NextTry {
    pub seconds: u64,
    pub address: String,
    /// The same address with the count at its limit, so that the page no longer tries by itself.
    pub never: String,
}

/// An address without its count, and the count.
pub(super) fn split(path_and_query: &str) -> (String, u32) {
    let Some((path, query)) = path_and_query.split_once('?') else { return (path_and_query.to_owned(), 0) };
    let (counts, others): (Vec<&str>, Vec<&str>) = query.split('&').partition(|pair| pair.starts_with(KEY));
    let tries = counts.first().and_then(|pair| pair.strip_prefix(KEY)).and_then(|count| count.parse().ok());
    let others = others.join("&");
    let address = if others.is_empty() { path.to_owned() } else { format!("{path}?{others}") };
    (address, tries.unwrap_or(0))
}

/// The query without the count, as the person wrote it.
pub(crate) fn without_count(query: &str) -> Option<String> {
    let pairs: Vec<&str> = query.split('&').filter(|pair| !pair.starts_with(KEY)).collect();
    (!pairs.is_empty()).then(|| pairs.join("&"))
}

/// The next try after `tries` that failed; `address` is without a count.
pub(super) fn next(address: &str, tries: u32, seconds: u64, patience: Patience) -> Option<NextTry> {
    let counted = |tries: u32| {
        let separator = if address.contains('?') { '&' } else { '?' };
        format!("{address}{separator}{KEY}{tries}")
    };
    let Patience { most, longest_seconds } = patience;
    (tries < most).then(|| NextTry {
        seconds: seconds.saturating_mul(1 << tries).min(longest_seconds.max(seconds)),
        address: counted(tries + 1),
        never: counted(most),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_stands_beside_the_query() {
        assert_eq!(split("/studio"), ("/studio".to_owned(), 0));
        assert_eq!(split("/studio?-try=3"), ("/studio".to_owned(), 3));
        assert_eq!(split("/studio?a=1&-try=3&b"), ("/studio?a=1&b".to_owned(), 3));
        assert_eq!(split("/studio?-try=x&-try=2"), ("/studio".to_owned(), 0));
        assert_eq!(without_count("a=1&-try=3&b").as_deref(), Some("a=1&b"));
        assert_eq!(without_count("-try=3"), None);
        assert_eq!(next("/studio?a=1", 0, 5, USUAL).unwrap().address, "/studio?a=1&-try=1");
    }

    #[test]
    fn waits_grow_and_end() {
        let mut waits = Vec::new();
        let (mut address, mut tries) = ("/studio".to_owned(), 0);
        while let Some(attempt) = next(&address, tries, 5, USUAL) {
            waits.push(attempt.seconds);
            (address, tries) = split(&attempt.address);
        }
        assert_eq!(waits[..5], [5, 10, 20, 40, 60]);
        assert_eq!(waits.len(), 20);
        assert_eq!(next("/studio", 0, 300, USUAL).unwrap().seconds, 300);
        let (address, tries) = split(&next("/studio", 0, 5, USUAL).unwrap().never);
        assert_eq!(next(&address, tries, 5, USUAL), None);
    }

    #[test]
    fn a_start_is_waited_for_an_hour() {
        let (mut waited, mut tries) = (0, 0);
        while let Some(attempt) = next("/archive", tries, 20, OF_A_START) {
            waited += attempt.seconds;
            tries += 1;
        }
        assert!((3500..=3700).contains(&waited), "{waited}");
    }
}
