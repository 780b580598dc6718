//! Which agent sits at which device: the claim decision, taken once inside one transaction, the reaction of everybody else
//! to the row that came of it, the pass by which a seat in the browser is proved, and how many wrong passwords are too many.

pub mod claim;
pub mod lockout;
pub mod pass;
mod seats;

pub use seats::{Reaction, Seats};
