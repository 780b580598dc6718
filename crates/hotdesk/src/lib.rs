//! Which agent sits at which device: the claim decision, taken once inside one transaction, and the reaction of
//! everybody else to the row that came of it.

pub mod claim;
mod seats;

pub use seats::{Reaction, Seats};
