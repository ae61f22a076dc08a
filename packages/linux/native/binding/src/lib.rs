//! What every Node-API binding of Heddle does alike.

pub mod error;
pub mod job;
