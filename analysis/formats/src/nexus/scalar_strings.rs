//! Turns string attributes that are arrays of one element into scalars, in an encoded HDF5 file.
//!
//! `hdf5-writer` 0.12 writes variable-length string attributes only as arrays, while NeXus readers expect `units`,
//! `NX_class` and the like to be scalars. So every object header is visited (they hang on hard links below the
//! root), the eight bytes of the dimension are cut out of each such attribute, a NIL message fills the gap at the
//! header's end, and the header's checksum is computed anew. Layout: HDF5 File Format Specification 3.0, IV.A.1.b
//! (object header version 2), IV.A.2.b (dataspace), IV.A.2.m (attribute). Nothing else moves.

use hdf5_writer::jenkins_lookup3;

const SUPERBLOCK_ROOT_ADDRESS: usize = 36;
const LINK: u8 = 0x06;
const ATTRIBUTE: u8 = 0x0c;
const NIL: u8 = 0x00;
const MESSAGE_PREFIX: usize = 4;

/// The file with scalar strings, or `None` if its layout is not the one `hdf5-writer` makes.
#[must_use]
pub fn make_scalar(mut file: Vec<u8>) -> Option<Vec<u8>> {
    let root = read_u64(&file, SUPERBLOCK_ROOT_ADDRESS)?;
    let mut open = vec![root];
    while let Some(address) = open.pop() {
        let address = usize::try_from(address).ok()?;
        let header = Header::read(&file, address)?;
        let mut messages = Vec::new();
        let mut saved = 0usize;
        let mut rest = file.get(header.messages.clone())?;
        while let Some((prefix, after)) = rest.split_at_checked(MESSAGE_PREFIX) {
            let length = usize::from(u16::from_le_bytes([prefix[1], prefix[2]]));
            let (payload, next) = after.split_at_checked(length)?;
            rest = next;
            if prefix[0] == LINK {
                open.push(hard_link_address(payload)?);
            }
            let scalar = if prefix[0] == ATTRIBUTE { without_dimension(payload) } else { None };
            let payload = scalar.as_deref().unwrap_or(payload);
            saved += length - payload.len();
            messages.push(prefix[0]);
            messages.extend_from_slice(&u16::try_from(payload.len()).ok()?.to_le_bytes());
            messages.push(prefix[3]);
            messages.extend_from_slice(payload);
        }
        if saved >= MESSAGE_PREFIX {
            let filling = saved - MESSAGE_PREFIX;
            messages.push(NIL);
            messages.extend_from_slice(&u16::try_from(filling).ok()?.to_le_bytes());
            messages.push(0);
            messages.resize(messages.len() + filling, 0);
        }
        let place = file.get_mut(header.messages.clone())?;
        if place.len() != messages.len() {
            return None;
        }
        place.copy_from_slice(&messages);
        let end = header.messages.end;
        let checksum = jenkins_lookup3(file.get(address..end)?);
        file.get_mut(end..end + 4)?.copy_from_slice(&checksum.to_le_bytes());
    }
    Some(file)
}

struct Header {
    messages: std::ops::Range<usize>,
}

impl Header {
    fn read(file: &[u8], address: usize) -> Option<Self> {
        let prefix = file.get(address..address + 6)?;
        if &prefix[..4] != b"OHDR" || prefix[4] != 2 || prefix[5] & !0x03 != 0 {
            return None;
        }
        let width = 1usize << (prefix[5] & 0x03);
        let size_bytes = file.get(address + 6..address + 6 + width)?;
        let size = size_bytes.iter().rev().fold(0u64, |size, byte| size << 8 | u64::from(*byte));
        let start = address + 6 + width;
        Some(Self { messages: start..start.checked_add(usize::try_from(size).ok()?)? })
    }
}

/// The address at the end of a hard link message.
fn hard_link_address(payload: &[u8]) -> Option<u64> {
    read_u64(payload, payload.len().checked_sub(8)?)
}

/// The attribute message with a scalar dataspace, if it is a variable-length string of one element.
fn without_dimension(payload: &[u8]) -> Option<Vec<u8>> {
    let word = |at: usize| Some(usize::from(u16::from_le_bytes([*payload.get(at)?, *payload.get(at + 1)?])));
    let (name, datatype, dataspace) = (word(2)?, word(4)?, word(6)?);
    const FIXED: usize = 9;
    let class = payload.get(FIXED + name)? & 0x0f;
    let space = FIXED + name + datatype;
    let one = payload.get(space..space + dataspace)? == [2, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0];
    if payload.first() != Some(&3) || class != 9 || !one {
        return None;
    }
    let mut out = payload.get(..space)?.to_vec();
    out.extend_from_slice(&[2, 0, 0, 0]);
    out.extend_from_slice(payload.get(space + dataspace..)?);
    out.get_mut(6..8)?.copy_from_slice(&4u16.to_le_bytes());
    Some(out)
}

fn read_u64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}
