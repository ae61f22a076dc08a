//! Addresses as JavaScript writes them.

use std::net::IpAddr;

use heddle_linux_core::{Error as CoreError, Result as CoreResult};

/// Reads an address as the caller wrote it.
pub fn parse_address(text: &str, operation: &str) -> CoreResult<IpAddr> {
    text.parse().map_err(|_| CoreError::invalid(operation, format!("'{text}' is not an IP address")))
}
