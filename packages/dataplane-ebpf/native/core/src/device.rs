//! Settings of a device that rtnetlink does not offer here.

use std::{
    ffi::{c_char, c_int},
    fs,
    mem::zeroed,
    os::fd::{AsRawFd, OwnedFd},
    path::Path,
    ptr,
    sync::OnceLock,
};

use heddle_linux_core::{Error, Result, error::Context, netns};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

const GET_STRINGS: u32 = 0x1b;
const GET_STRING_SET_INFO: u32 = 0x37;
const GET_FEATURES: u32 = 0x3a;
const SET_FEATURES: u32 = 0x3b;
/// String set of the names of features.
const FEATURES: u32 = 4;
const NAME: usize = 32;

/// Segmentation that a device would leave to the router's tunnel: a frame can be told of one tunnel only, and the router's own comes behind that of an endpoint;
/// and of a frame that no size says how to cut, as none does of SCTP, the kernel makes no tunnel's.
const WITHOUT_OFFLOADS: [&str; 7] = [
    "tx-sctp-segmentation",
    "tx-udp_tnl-segmentation",
    "tx-udp_tnl-csum-segmentation",
    "tx-gre-segmentation",
    "tx-gre-csum-segmentation",
    "tx-ipxip4-segmentation",
    "tx-ipxip6-segmentation",
];

/// Tags of 802.1Q, and of 802.1ad.
const TAKING_TAGS: [&str; 2] = ["rx-vlan-hw-parse", "rx-vlan-stag-hw-parse"];

/// Makes a device an endpoint's end: without offload of tunnels, so that an endpoint with tunnels of its own cuts their frames itself, and what it sends by SCTP.
pub fn make_endpoint(namespace: Option<&Path>, link: &str) -> Result<()> {
    let link = link.to_owned();
    netns::within(namespace, move || {
        look_for_duplicates(&link);
        Device::open(&link)?.switch_off(&WITHOUT_OFFLOADS)
    })
}

/// A netkit device is registered without neighbours, whatever it has afterwards, and Linux looks for no duplicates of IPv6 addresses on such a device from then
/// on. Where settings cannot be written, that stays so.
fn look_for_duplicates(link: &str) {
    let path = format!("/proc/sys/net/ipv6/conf/{link}/accept_dad");
    if fs::read_to_string(&path).is_ok_and(|text| text.trim() == "-1") {
        let _ = fs::write(path, "1");
    }
}

/// Families of which the host forwards what comes in by a link.
pub fn forwarding(namespace: Option<&Path>, link: &str) -> Result<Vec<u32>> {
    let link = link.to_owned();
    netns::within(namespace, move || {
        let forwards = |family: &u32| {
            let path = format!("/proc/sys/net/ipv{family}/conf/{link}/forwarding");
            fs::read_to_string(path).is_ok_and(|text| text.trim() != "0")
        };
        Ok([4, 6].into_iter().filter(forwards).collect())
    })
}

/// Whether a device takes tags of VLANs out of the frames that it receives, so that they lie beside them.
pub fn takes_tags(namespace: Option<&Path>, link: &str) -> Result<bool> {
    let link = link.to_owned();
    netns::within(namespace, move || Device::open(&link)?.has_any(&TAKING_TAGS))
}

/// A device of the calling thread's namespace.
struct Device<'a> {
    link: &'a str,
    socket: OwnedFd,
}

impl<'a> Device<'a> {
    fn open(link: &'a str) -> Result<Self> {
        let operation = || format!("set up '{link}'");
        let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None).context(operation)?;
        Ok(Self { link, socket })
    }

    /// Switches features off by name; those that the kernel does not know are off anyhow.
    fn switch_off(&self, names: &[&str]) -> Result<()> {
        let known = self.known()?;
        let blocks = known.len().div_ceil(32);
        let mut command = vec![0_u32; 2 + blocks * 2];
        command[0] = SET_FEATURES;
        command[1] = blocks as u32;
        for (index, _) in known.iter().enumerate().filter(|(_, name)| names.contains(&name.as_str())) {
            // Of each block, which bits are meant, and then what they shall be.
            command[2 + index / 32 * 2] |= 1 << (index % 32);
        }
        self.ethtool(&mut command)
    }

    /// Whether one of the features is on.
    fn has_any(&self, names: &[&str]) -> Result<bool> {
        let known = self.known()?;
        let blocks = known.len().div_ceil(32);
        let mut command = vec![0_u32; 2 + blocks * 4];
        (command[0], command[1]) = (GET_FEATURES, blocks as u32);
        self.ethtool(&mut command)?;
        // Of each block, which bits can be set, are wanted, are on, and never change.
        let is_on = |index: usize| command[2 + index / 32 * 4 + 2] >> (index % 32) & 1 == 1;
        Ok(known.iter().enumerate().any(|(index, name)| names.contains(&name.as_str()) && is_on(index)))
    }

    /// Names of features, read once.
    fn known(&self) -> Result<&'static [String]> {
        static KNOWN: OnceLock<Vec<String>> = OnceLock::new();
        if let Some(known) = KNOWN.get() {
            return Ok(known);
        }
        let found = self.features()?;
        Ok(KNOWN.get_or_init(|| found))
    }

    /// Names of all features, each at the place of its bit: of the kernel, whatever the device.
    fn features(&self) -> Result<Vec<String>> {
        let mut info = [GET_STRING_SET_INFO, 0, 1 << FEATURES, 0, 0];
        self.ethtool(&mut info)?;
        let count = info[4] as usize;
        let mut strings = vec![0_u32; 3 + count * NAME / 4];
        (strings[0], strings[1], strings[2]) = (GET_STRINGS, FEATURES, count as u32);
        self.ethtool(&mut strings)?;
        let octets: Vec<u8> = strings[3..].iter().flat_map(|word| word.to_ne_bytes()).collect();
        let text = |name: &[u8]| name.iter().take_while(|octet| **octet != 0).map(|octet| *octet as char).collect();
        Ok(octets.chunks_exact(NAME).map(text).collect())
    }

    fn ethtool(&self, command: &mut [u32]) -> Result<()> {
        let mut request = self.request()?;
        request.ifr_ifru.ifru_data = command.as_mut_ptr().cast::<c_char>();
        self.call(libc::SIOCETHTOOL as _, &mut request)
    }

    fn request(&self) -> Result<libc::ifreq> {
        // SAFETY: a structure of plain data.
        let mut request: libc::ifreq = unsafe { zeroed() };
        if self.link.len() >= request.ifr_name.len() {
            return Err(Error::invalid(format!("set up '{}'", self.link), "a name of more than 15 octets"));
        }
        // SAFETY: the name is shorter than its field, whose last octet stays zero.
        unsafe { ptr::copy_nonoverlapping(self.link.as_ptr(), request.ifr_name.as_mut_ptr().cast(), self.link.len()) };
        Ok(request)
    }

    fn call(&self, number: libc::Ioctl, request: &mut libc::ifreq) -> Result<()> {
        // SAFETY: the calls above read and write the structure, and what it points to is as long as they say.
        let result: c_int = unsafe { libc::ioctl(self.socket.as_raw_fd(), number, ptr::from_mut(request)) };
        if result < 0 { Err(Error::last(format!("set up '{}'", self.link))) } else { Ok(()) }
    }
}
