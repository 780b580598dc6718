//! Which agent sits at which device: the claim decision, taken once inside one transaction, the reaction of everybody else
//! to the row that came of it, and the pass by which a seat in the browser is proved.

pub mod claim;
pub mod pass;
mod seats;

pub use seats::{Reaction, Seats};
