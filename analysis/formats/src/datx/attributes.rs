//! Attributes of a dataset or group, decoded one by one when they are asked for. A value of an unexpected type is
//! simply absent: whether that matters is for the caller to say.

use hdf5_reader::{
    ByteOrder, Dataset, Datatype, RawAttribute, error::Error as Hdf5Error, group::Group,
    messages::attribute::AttributeMessage,
};

use super::refusal;
use crate::FormatError;

/// Longest text that is decoded, bytes. Real ones are names, units and comments.
const MAX_TEXT_BYTES: usize = 4096;
/// Most values of one variable-length sequence that are decoded.
const MAX_SEQUENCE: usize = 64;

/// Turns a variable-length reference (count, address, index) and the size of one value into the bytes it stands for.
type Resolver<'f> = Box<dyn Fn(&[u8], usize) -> Result<Vec<u8>, Hdf5Error> + 'f>;

/// The attributes of one object.
pub(crate) struct Attributes<'f> {
    list: Vec<AttributeMessage>,
    resolver: Resolver<'f>,
}

impl<'f> Attributes<'f> {
    /// The attributes of a dataset.
    pub(crate) fn of_dataset(dataset: &'f Dataset) -> Result<Self, FormatError> {
        let raw = dataset.raw_attributes().map_err(|e| refusal("reading the attributes of the height map", e))?;
        let resolver = Box::new(|reference: &[u8], size| dataset.resolve_vlen_reference_bytes(reference, size));
        Ok(Self { list: messages(raw), resolver })
    }

    /// The number in an attribute.
    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        let attribute = self.find(name)?;
        number(&attribute.datatype, &attribute.raw_data)
    }

    /// The text in an attribute.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let attribute = self.find(name)?;
        text(&attribute.datatype, &attribute.raw_data, &self.resolver)
    }

    /// The number in a field of a compound attribute.
    pub(super) fn field_number(&self, name: &str, field_name: &str) -> Option<f64> {
        let (datatype, bytes) = self.field(name, field_name)?;
        number(datatype, bytes)
    }

    /// The text in a field of a compound attribute.
    pub(super) fn field_text(&self, name: &str, field_name: &str) -> Option<String> {
        let (datatype, bytes) = self.field(name, field_name)?;
        text(datatype, bytes, &self.resolver)
    }

    /// The numbers in a field of a compound attribute that is a sequence of variable length.
    pub(super) fn field_numbers(&self, name: &str, field_name: &str) -> Option<Vec<f64>> {
        let (datatype, bytes) = self.field(name, field_name)?;
        let Datatype::VarLen { base, .. } = datatype else { return None };
        let size = number_size(base)?;
        if referenced_count(bytes)? > MAX_SEQUENCE {
            return None;
        }
        let values = (self.resolver)(bytes, size).ok()?;
        values.chunks_exact(size).map(|value| number(base, value)).collect()
    }

    /// The attributes of a group.
    pub(crate) fn of_group(group: Group) -> Result<Attributes<'static>, FormatError> {
        let raw = group.raw_attributes().map_err(|e| refusal("reading the attributes of a group", e))?;
        let resolver = Box::new(move |reference: &[u8], size| group.resolve_vlen_reference_bytes(reference, size));
        Ok(Attributes { list: messages(raw), resolver })
    }

    /// The texts in an attribute that is a list of them, at most [`MAX_SEQUENCE`].
    pub(crate) fn texts(&self, name: &str) -> Option<Vec<String>> {
        let attribute = self.find(name)?;
        let count = element_count(attribute).filter(|count| (1..=MAX_SEQUENCE).contains(count))?;
        let stride = attribute.raw_data.len() / count;
        let mut elements = attribute.raw_data.chunks_exact(stride.max(1)).take(count);
        elements.by_ref().map(|element| text(&attribute.datatype, element, &self.resolver)).collect()
    }

    /// The numbers in an attribute that is a list of them, at most [`MAX_SEQUENCE`].
    pub(crate) fn numbers(&self, name: &str) -> Option<Vec<f64>> {
        let attribute = self.find(name)?;
        let size = number_size(&attribute.datatype)?;
        let elements = attribute.raw_data.chunks_exact(size).take(MAX_SEQUENCE);
        elements.map(|element| number(&attribute.datatype, element)).collect()
    }

    /// A text of up to `most` bytes, for the few that are documents themselves.
    pub(crate) fn long_text(&self, name: &str, most: usize) -> Option<String> {
        let attribute = self.find(name)?;
        text_up_to(&attribute.datatype, &attribute.raw_data, &self.resolver, most)
    }

    fn find(&self, name: &str) -> Option<&AttributeMessage> {
        self.list.iter().find(|attribute| attribute.name == name)
    }

    fn field(&self, name: &str, field_name: &str) -> Option<(&Datatype, &[u8])> {
        let attribute = self.find(name)?;
        field(&attribute.datatype, &attribute.raw_data, field_name)
    }
}

/// The attributes of a measurement. Their names begin with `Data Context.` or `Surface Data Context.`, the latter
/// being the closer to the map.
#[derive(Default)]
pub(super) struct Settings<'f> {
    attributes: Option<Attributes<'f>>,
}

impl Settings<'_> {
    /// The attributes of a group; none if they cannot be read, for nothing of them is indispensable.
    pub(super) fn of_group(group: Group) -> Self {
        let attributes = group.raw_attributes().ok().map(|raw| Attributes {
            list: messages(raw),
            resolver: Box::new(move |reference, size| group.resolve_vlen_reference_bytes(reference, size)),
        });
        Self { attributes }
    }

    /// The number in a setting.
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        self.first(name, |attributes, name| attributes.number(name))
    }

    /// The text in a setting.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.first(name, |attributes, name| attributes.text(name))
    }

    /// The number in a field of a setting.
    pub(super) fn field_number(&self, name: &str, field_name: &str) -> Option<f64> {
        self.first(name, |attributes, name| attributes.field_number(name, field_name))
    }

    /// A length in metres from `<name>:Value` and `<name>:Unit`; metres where the unit is missing.
    pub(super) fn length_m(&self, name: &str) -> Option<f64> {
        let value = self.number(&format!("{name}:Value"))?;
        match self.text(&format!("{name}:Unit")).filter(|unit| !unit.is_empty()) {
            Some(unit) => Some(value * super::unit::metres(&unit)?),
            None => Some(value),
        }
    }

    fn first<T>(&self, name: &str, get: impl Fn(&Attributes<'_>, &str) -> Option<T>) -> Option<T> {
        let attributes = self.attributes.as_ref()?;
        ["Surface Data Context.", "Data Context."].iter().find_map(|p| get(attributes, &format!("{p}{name}")))
    }
}

fn messages(raw: Vec<RawAttribute>) -> Vec<AttributeMessage> {
    raw.into_iter().map(|attribute| attribute.into_parts().0).collect()
}

/// One field of a compound value: its type and its bytes.
pub(super) fn field<'a>(datatype: &'a Datatype, bytes: &'a [u8], name: &str) -> Option<(&'a Datatype, &'a [u8])> {
    let Datatype::Compound { fields, .. } = datatype else { return None };
    let field = fields.iter().find(|field| field.name == name)?;
    Some((&field.datatype, bytes.get(field.byte_offset as usize..)?))
}

/// The text a value holds: of fixed length, or of variable length behind a reference.
pub(super) fn text(
    datatype: &Datatype,
    bytes: &[u8],
    resolve: impl Fn(&[u8], usize) -> Result<Vec<u8>, Hdf5Error>,
) -> Option<String> {
    text_up_to(datatype, bytes, resolve, MAX_TEXT_BYTES)
}

fn text_up_to(
    datatype: &Datatype,
    bytes: &[u8],
    resolve: impl Fn(&[u8], usize) -> Result<Vec<u8>, Hdf5Error>,
    most: usize,
) -> Option<String> {
    use hdf5_reader::messages::datatype::{StringSize, VarLenKind};
    let content = match datatype {
        Datatype::String { size: StringSize::Fixed(length), .. } => bytes.get(..*length as usize)?.to_vec(),
        Datatype::String { size: StringSize::Variable, .. } | Datatype::VarLen { kind: VarLenKind::String, .. } => {
            if referenced_count(bytes)? > most {
                return None;
            }
            resolve(bytes, 1).ok()?
        }
        _ => return None,
    };
    let content = content.split(|b| *b == 0).next()?;
    let content = content.get(..most).unwrap_or(content);
    Some(String::from_utf8_lossy(content).trim().to_owned())
}

/// How many values an attribute has.
fn element_count(attribute: &AttributeMessage) -> Option<usize> {
    let size = match &attribute.datatype {
        Datatype::String { size: hdf5_reader::messages::datatype::StringSize::Fixed(length), .. } => *length as usize,
        // A reference: count, address, index.
        Datatype::String { .. } | Datatype::VarLen { .. } => 16,
        other => number_size(other)?,
    };
    attribute.raw_data.len().checked_div(size)
}

/// The element count at the start of a variable-length reference.
fn referenced_count(reference: &[u8]) -> Option<usize> {
    reference.first_chunk().map(|count| u32::from_le_bytes(*count) as usize)
}

/// Bytes of one number of this type.
fn number_size(datatype: &Datatype) -> Option<usize> {
    match datatype {
        Datatype::FixedPoint { size, .. } | Datatype::FloatingPoint { size, .. } if *size > 0 => {
            Some(usize::from(*size))
        }
        _ => None,
    }
}

/// The number at the start of `bytes`.
fn number(datatype: &Datatype, bytes: &[u8]) -> Option<f64> {
    let size = number_size(datatype)?;
    let (little, signed) = match datatype {
        Datatype::FixedPoint { signed, byte_order, .. } => (matches!(byte_order, ByteOrder::LittleEndian), *signed),
        Datatype::FloatingPoint { byte_order, .. } => (matches!(byte_order, ByteOrder::LittleEndian), true),
        _ => return None,
    };
    let mut wide = [0u8; 8];
    let stored = bytes.get(..size)?;
    for (to, from) in wide.get_mut(..size)?.iter_mut().zip(stored) {
        *to = *from;
    }
    if !little {
        wide.get_mut(..size)?.reverse();
    }
    let bits = u64::from_le_bytes(wide);
    match datatype {
        Datatype::FloatingPoint { .. } => match size {
            4 => Some(f64::from(f32::from_bits(bits as u32))),
            8 => Some(f64::from_bits(bits)),
            _ => None,
        },
        _ if signed => {
            let unused = 64 - 8 * size as u32;
            Some(((bits << unused) as i64 >> unused) as f64)
        }
        _ => Some(bits as f64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_width_and_order_are_read() {
        let fixed = |size, signed, byte_order| Datatype::FixedPoint { size, signed, byte_order };
        let float = |size, byte_order| Datatype::FloatingPoint { size, byte_order };
        use ByteOrder::{BigEndian, LittleEndian};
        assert_eq!(number(&fixed(2, true, LittleEndian), &[0xFE, 0xFF]), Some(-2.0));
        assert_eq!(number(&fixed(2, false, BigEndian), &[0x01, 0x02, 0xFF]), Some(258.0));
        assert_eq!(number(&fixed(8, true, LittleEndian), &(-5i64).to_le_bytes()), Some(-5.0));
        assert_eq!(number(&float(4, BigEndian), &0.5f32.to_be_bytes()), Some(0.5));
        assert_eq!(number(&float(8, LittleEndian), &(-1e300f64).to_le_bytes()), Some(-1e300));
        assert_eq!(number(&fixed(4, true, LittleEndian), &[1, 2, 3]), None);
        assert_eq!(number(&fixed(16, true, LittleEndian), &[0; 16]), None);
        assert_eq!(number(&fixed(0, true, LittleEndian), &[]), None);
    }

    #[test]
    fn a_text_that_would_unfold_beyond_reason_is_not_fetched() {
        let datatype = Datatype::VarLen {
            base: Box::new(Datatype::FixedPoint { size: 1, signed: false, byte_order: ByteOrder::LittleEndian }),
            kind: hdf5_reader::messages::datatype::VarLenKind::String,
            encoding: hdf5_reader::messages::datatype::StringEncoding::Ascii,
            padding: hdf5_reader::messages::datatype::StringPadding::NullTerminate,
        };
        let reference = |count: u32| [&count.to_le_bytes()[..], &[0; 12]].concat();
        let resolve = |_: &[u8], _| Ok(b"nm\0".to_vec());
        assert_eq!(text(&datatype, &reference(3), resolve).as_deref(), Some("nm"));
        assert_eq!(text(&datatype, &reference(1 << 30), resolve), None);
        assert_eq!(text(&datatype, &[1], resolve), None);
    }
}
