//! Sockets, TLS, HTTP, media threads, configuration and shutdown: everything around the gateway that touches the world.

mod bind;
mod carry;
pub mod certs;
pub mod config;
pub mod control;
pub mod core;
pub mod desk_core;
mod expiry;
mod https;
pub mod licence;
pub mod logs;
pub mod media;
mod reload;
pub mod serve;
mod store_task;
mod streams;
mod sync;
mod sys;
pub mod tap;
mod tcp;
mod tls;
mod upgrade;
mod ws;

pub use config::Config;
pub use https::{Admit, Web};
pub use serve::{Ready, Service, start};
pub use sys::end_with_the_reader;
