//! Sockets, TLS, HTTP, media threads, configuration and shutdown: everything around the gateway that touches the world.

pub mod config;
pub mod media;
