//! Logs go to stderr, one line an event, as text or JSON. `HOTSEAT_LOG` narrows or widens them.

use tracing_subscriber::EnvFilter;

/// To be called once, before anything logs. `filter` is the default where `HOTSEAT_LOG` says nothing.
pub fn start(filter: &str, json: bool) {
    let filter = EnvFilter::try_from_env("HOTSEAT_LOG").unwrap_or_else(|_| EnvFilter::new(filter));
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    // A second call finds logging started; that is all it wanted.
    let _ = match json {
        true => builder.json().flatten_event(true).try_init(),
        false => builder.with_target(false).try_init(),
    };
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        tracing::error!(at = %info.location().map(ToString::to_string).unwrap_or_default(), "panic");
        before(info);
    }));
}
