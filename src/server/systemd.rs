//! systemd's protocols: sockets that were opened before the start, and notifications of the service's state. Without systemd,
//! nothing here has an effect.
//!
//! <https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html>,
//! <https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html>

use listenfd::ListenFd;
use sd_notify::NotifyState;
use std::net::TcpListener;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

/// Listening sockets that the service manager passed on. The socket with `FileDescriptorName=admin` replaces `admin.address`;
/// one of any other name replaces `listen.address`.
#[derive(Debug, Default)]
pub struct Sockets {
    pub main: Option<TcpListener>,
    pub admin: Option<TcpListener>,
}

impl Sockets {
    /// Removes the variables, so that no child process uses them. Call it before there is a second thread.
    ///
    /// # Errors
    ///
    /// A passed descriptor is no listening TCP socket, or there are two for one purpose.
    pub fn from_environment() -> Result<Self, String> {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut passed = ListenFd::from_env();
        let mut sockets = Self::default();
        for index in 0..passed.len() {
            let name = names.next().unwrap_or_default();
            let place = if name == "admin" { &mut sockets.admin } else { &mut sockets.main };
            if place.is_some() {
                return Err(format!(
                    "the service manager passed a second socket named `{name}`; allowed: one named `admin`, for `admin.address`, and one of another name, for `listen.address`"
                ));
            }
            let wrong = |error| {
                format!("the service manager passed `{name}`, which is no listening TCP socket: {error}")
            };
            *place = passed.take_tcp_listener(index).map_err(wrong)?;
        }
        Ok(sockets)
    }
}

/// Requests are answered from now on.
pub fn ready() {
    notify(&[NotifyState::Ready]);
}

/// A reload begins; it ends with [`ready`], applied or refused.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => notify(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "systemd.no_clock"),
    }
}

pub fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Sends watchdog messages as often as the service manager asks for them; it restarts a process that falls silent.
///
/// The runtime's timer triggers them and a thread sends them, so that a stuck manager does not block the runtime.
pub async fn keep_telling() {
    let Some(deadline) = sd_notify::watchdog_enabled() else { return };
    let (alive, told) = sync_channel(1);
    std::thread::spawn(move || told.iter().for_each(|()| notify(&[NotifyState::Watchdog])));
    let mut turns = tokio::time::interval((deadline / 2).max(Duration::from_millis(10)));
    loop {
        turns.tick().await;
        _ = alive.try_send(());
    }
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd.not_told");
    }
}
