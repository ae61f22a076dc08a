//! Several requests to rtnetlink at once, from the calling thread and in its namespace: one system call hands all of them to the kernel, which carries
//! them out in order. What needs one answer only goes through [`super::Netlink`].

use std::num::NonZeroI32;

use netlink_packet_route::RouteNetlinkMessage;
use rtnetlink::{
    packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload},
    sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE},
};

use crate::error::{Context, Error, Result};

/// Octets of the longest datagram that the kernel writes of itself (netlink(7), `NLMSG_GOODSIZE` and dumps).
const LONGEST_DATAGRAM: usize = 32 << 10;

/// Requests that were added and not yet sent.
pub(crate) struct Exchange {
    socket: Socket,
    octets: Vec<u8>,
    /// What each request is for, in the words of an error.
    operations: Vec<String>,
}

impl Exchange {
    pub fn open() -> Result<Self> {
        let operation = || "open a netlink socket".into();
        let mut socket = Socket::new(NETLINK_ROUTE).context(operation)?;
        socket.bind_auto().context(operation)?;
        socket.connect(&SocketAddr::new(0, 0)).context(operation)?;
        socket.set_cap_ack(true).context(operation)?;
        Ok(Self { socket, octets: Vec::new(), operations: Vec::new() })
    }

    /// Adds a request. The kernel carries it out whether those before it succeed or not.
    pub fn add(&mut self, operation: String, flags: u16, message: RouteNetlinkMessage) {
        self.push(NLM_F_ACK | flags, message);
        self.operations.push(operation);
    }

    fn push(&mut self, flags: u16, message: RouteNetlinkMessage) {
        let mut message = NetlinkMessage::from(message);
        message.header.flags = NLM_F_REQUEST | flags;
        message.header.sequence_number = self.operations.len() as u32;
        message.finalize();
        let at = self.octets.len();
        self.octets.resize(at + message.buffer_len().next_multiple_of(4), 0);
        message.serialize(&mut self.octets[at..]);
    }

    /// Sends what was added: the outcome of each request, in their order, with the messages that it was answered with.
    pub fn send(&mut self) -> Result<Vec<Result<Vec<RouteNetlinkMessage>>>> {
        let operations = std::mem::take(&mut self.operations);
        let octets = std::mem::take(&mut self.octets);
        if operations.is_empty() {
            return Ok(Vec::new());
        }
        self.socket.send(&octets, 0).context(|| operations[0].clone())?;
        let mut outcomes: Vec<Option<Result<()>>> = vec![None; operations.len()];
        let mut answers: Vec<Vec<RouteNetlinkMessage>> = operations.iter().map(|_| Vec::new()).collect();
        while outcomes.iter().any(Option::is_none) {
            for message in self.receive(&operations[0])? {
                let at = message.header.sequence_number as usize;
                let Some(outcome) = outcomes.get_mut(at) else { continue };
                match message.payload {
                    NetlinkPayload::InnerMessage(inner) => answers[at].push(inner),
                    last => {
                        if let Some(code) = code_of(&last) {
                            *outcome = Some(if code == 0 { Ok(()) } else { Err(Error::from_errno(code.abs(), operations[at].clone())) });
                        }
                    }
                }
            }
        }
        Ok(outcomes.into_iter().flatten().zip(answers).map(|(outcome, answer)| outcome.map(|()| answer)).collect())
    }

    /// Sends what was added; the first refusal is the error.
    pub fn send_all(&mut self) -> Result<Vec<Vec<RouteNetlinkMessage>>> {
        self.send()?.into_iter().collect()
    }

    /// Everything that a request for a list is answered with. Nothing else may wait to be sent.
    pub fn list(&mut self, operation: &str, message: RouteNetlinkMessage) -> Result<Vec<RouteNetlinkMessage>> {
        self.push(NLM_F_DUMP, message);
        self.operations.push(operation.into());
        Ok(self.send_all()?.into_iter().flatten().collect())
    }

    /// The messages of the next datagram.
    fn receive(&self, operation: &str) -> Result<Vec<NetlinkMessage<RouteNetlinkMessage>>> {
        let mut octets = Vec::with_capacity(LONGEST_DATAGRAM);
        let length = self.socket.recv(&mut octets, libc::MSG_TRUNC).context(|| operation.into())?;
        if length > octets.len() {
            return Err(Error::from_errno(libc::EMSGSIZE, operation));
        }
        let mut rest = octets.as_slice();
        let mut messages = Vec::new();
        while !rest.is_empty() {
            let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                .map_err(|error| Error::new(libc::EBADMSG, operation, error.to_string()))?;
            rest = rest.get((message.header.length as usize).next_multiple_of(4)..).unwrap_or_default();
            messages.push(message);
        }
        Ok(messages)
    }
}

/// The number of an error, 0 for none, where a message is the last one that a request is answered with: a list ends with what it was broken off by.
fn code_of(payload: &NetlinkPayload<RouteNetlinkMessage>) -> Option<i32> {
    match payload {
        NetlinkPayload::Error(error) => Some(error.code.map_or(0, NonZeroI32::get)),
        NetlinkPayload::Done(done) => Some(done.code),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rtnetlink::packet_core::DoneMessage;

    use super::*;

    // What could not be listed passed for what was not there.
    #[test]
    fn a_list_that_was_broken_off_is_an_error() {
        for code in [0, -libc::ENOMEM] {
            let mut done = DoneMessage::default();
            done.code = code;
            assert_eq!(code_of(&NetlinkPayload::Done(done)), Some(code));
        }
        assert_eq!(code_of(&NetlinkPayload::Noop), None);
    }
}
