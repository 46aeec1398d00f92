//! The name of this machine.

/// This machine's name, for the page that asks and for the list of tokens.
pub(crate) fn machine() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let name: String = name.chars().filter(|letter| !letter.is_control()).take(60).collect();
    if name.trim().is_empty() { "a terminal".to_owned() } else { name }
}
