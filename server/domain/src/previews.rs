//! Small pictures of files: which files have one, drawing it within bounds, remembering the last ones.
//!
//! A picture belongs to a version, which never changes; so a remembered one is never stale.

use crate::{Content, Domain, Error, Version};
use bytes::Bytes;
use futures::TryStreamExt;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use stitchbox_blob::BlobError;
use stitchbox_formats::{Content as Kind, Gives, Limits, Measurement, read_measurement, readers};
use stitchbox_report::figure::{Bounds, Palette, Thumbnail, shrink_png};
use stitchbox_schema::VersionId;
use tokio::sync::Semaphore;

/// Largest file that is read for its picture, bytes.
const LARGEST_FILE: i64 = 64 << 20;
/// Largest map that is read for its picture, pixels.
const MOST_PIXELS: usize = 16 << 20;
/// Pictures drawn at once: listings ask for hundreds, and runs need the processors too.
const DRAWN_AT_ONCE: usize = 1;
/// Bytes of pictures that are remembered.
const REMEMBERED_BYTES: usize = 16 << 20;
/// Pictures that are remembered, files without one among them.
const MOST_REMEMBERED: usize = 2000;
/// Sizes that are drawn, pixels: the next larger one of these serves every wish.
const SIZES: [u32; 5] = [64, 128, 256, 512, 1024];

/// Whether a file may have a small picture, by the word kept with its version. A file that begins like a map and is
/// broken has none all the same.
#[must_use]
pub fn has_preview(content: &str) -> bool {
    match Kind::from_word(content) {
        Kind::MetroPro | Kind::Hdf5 | Kind::Png => true,
        Kind::Measurement(format) => {
            let reader = readers().iter().find(|reader| reader.id == format.id());
            reader.is_some_and(|reader| matches!(reader.gives, Gives::Map | Gives::Slopes))
        }
        Kind::Unknown | Kind::Document => false,
    }
}

/// How large a picture may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviewSize {
    bounds: Bounds,
}

impl PreviewSize {
    /// The next larger size there is, for both sides: few sizes are drawn and remembered.
    #[must_use]
    pub fn at_least(width: u32, height: u32) -> Self {
        let next = |wanted: u32| SIZES.into_iter().find(|size| *size >= wanted).unwrap_or(1024);
        Self { bounds: Bounds { width: next(width), height: next(height) } }
    }

    /// Width and height, pixels.
    #[must_use]
    pub fn pixels(self) -> (u32, u32) {
        (self.bounds.width, self.bounds.height)
    }
}

/// The last pictures, and the place where one is drawn.
#[derive(Debug)]
pub(crate) struct Previews {
    drawing: Arc<Semaphore>,
    remembered: Mutex<Remembered>,
}

impl Default for Previews {
    fn default() -> Self {
        Self { drawing: Arc::new(Semaphore::new(DRAWN_AT_ONCE)), remembered: Mutex::default() }
    }
}

type Key = (VersionId, Bounds);

#[derive(Debug, Default)]
struct Remembered {
    /// The picture, or that there is none, and when it was asked for last.
    entries: HashMap<Key, (Option<Bytes>, u64)>,
    bytes: usize,
    clock: u64,
}

impl Remembered {
    fn get(&mut self, key: &Key) -> Option<Option<Bytes>> {
        self.clock += 1;
        let (picture, used) = self.entries.get_mut(key)?;
        *used = self.clock;
        Some(picture.clone())
    }

    fn put(&mut self, key: Key, picture: Option<Bytes>) {
        self.clock += 1;
        self.bytes += picture.as_ref().map_or(0, Bytes::len);
        if let Some((Some(old), _)) = self.entries.insert(key, (picture, self.clock)) {
            self.bytes -= old.len();
        }
        while self.bytes > REMEMBERED_BYTES || self.entries.len() > MOST_REMEMBERED {
            let Some(oldest) = self.entries.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| *key) else {
                return;
            };
            if let Some((Some(gone), _)) = self.entries.remove(&oldest) {
                self.bytes -= gone.len();
            }
        }
    }
}

impl Domain {
    /// A small picture of a file's content as PNG bytes; `None` if it has none. At most 64 MiB of file and 16 megapixels
    /// are looked at.
    pub async fn preview(&self, content: &Content, size: PreviewSize) -> Result<Option<Bytes>, Error> {
        let version = &content.version;
        if !has_preview(&version.content) || version.size > LARGEST_FILE {
            return Ok(None);
        }
        let key = (version.id, size.bounds);
        if let Some(known) = self.remembered(&key) {
            return Ok(known);
        }
        // Never closed; were it, the picture would be drawn all the same.
        let place = Arc::clone(&self.previews.drawing).acquire_owned().await.ok();
        if let Some(known) = self.remembered(&key) {
            return Ok(known);
        }
        let bytes = self.whole(version).await?;
        let (name, kind) = (content.item.name.clone(), Kind::from_word(&version.content));
        let drawing = tokio::task::spawn_blocking(move || {
            // Held to the end of the work, which goes on when the client that asked is gone.
            let _place = place;
            draw(&name, kind, &bytes, size.bounds)
        });
        let picture = drawing.await.unwrap_or_else(|error| {
            tracing::error!(%error, version = version.id.0, "a preview broke; this is a defect of the program");
            None
        });
        let picture = picture.map(Bytes::from);
        self.previews.remembered.lock().unwrap_or_else(PoisonError::into_inner).put(key, picture.clone());
        Ok(picture)
    }

    fn remembered(&self, key: &Key) -> Option<Option<Bytes>> {
        self.previews.remembered.lock().unwrap_or_else(PoisonError::into_inner).get(key)
    }

    async fn whole(&self, version: &Version) -> Result<Vec<u8>, Error> {
        let size = u64::try_from(version.size).unwrap_or(0);
        let mut stream = self.open(version, 0..size).await?;
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        let broken = |source| BlobError::Io { doing: "a file could not be read for its preview", source };
        while let Some(chunk) = stream.try_next().await.map_err(broken)? {
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}

fn draw(name: &str, kind: Kind, bytes: &[u8], bounds: Bounds) -> Option<Vec<u8>> {
    if kind == Kind::Png {
        return shrink_png(bytes, bounds);
    }
    let limits = Limits { max_pixels: MOST_PIXELS, max_file_bytes: LARGEST_FILE as u64 };
    match read_measurement(name, bytes, &limits).ok()? {
        Measurement::Map(found) => {
            let (values, valid, pixel) = found.map.into_parts();
            Thumbnail { values: &values, valid: &valid, pixel, palette: Palette::Height }.png(bounds)
        }
        Measurement::Slopes(found) => {
            let (values, valid) = (&found.x_urad, &found.valid);
            Thumbnail { values, valid, pixel: found.pixel, palette: Palette::Signed }.png(bounds)
        }
        Measurement::Profile(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_and_pictures_have_a_preview_and_nothing_else() {
        for (word, expected) in [
            ("metropro", true),
            ("hdf5", true),
            ("png", true),
            ("opd", true),
            ("zygo-ascii", true),
            ("slp", false),
            ("document", false),
            ("unknown", false),
            ("a word of tomorrow", false),
        ] {
            assert_eq!(has_preview(word), expected, "{word}");
        }
    }

    #[test]
    fn a_map_is_drawn_in_the_colours_of_its_heights() {
        // Zygo's ASCII is long to write by hand; points of a plane are not: z grows with x.
        let points: String = (0..20).flat_map(|y| (0..40).map(move |x| format!("{x} {y} {}\n", x * 2))).collect();
        let bounds = Bounds { width: 64, height: 64 };
        let Ok(Measurement::Map(map)) = read_measurement("a.xyz", points.as_bytes(), &Limits::default()) else {
            panic!("the points are a map")
        };
        let (rows, columns) = map.map.shape();
        let picture = draw("a.xyz", Kind::Unknown, points.as_bytes(), bounds).unwrap();
        assert_eq!((rows, columns), (20, 40));
        // IHDR: width and height of the picture, 40:20 in 64 by 64.
        assert_eq!((&picture[16..20], &picture[20..24]), (&[0, 0, 0, 64][..], &[0, 0, 0, 32][..]));
        assert!(draw("a.xyz", Kind::MetroPro, b"\x88\x1b\x03\x6f broken", bounds).is_none());
        assert!(draw("a.png", Kind::Png, b"\x89PNG\r\n\x1a\n", bounds).is_none());
    }

    #[test]
    fn memory_is_bounded_and_the_last_used_stay() {
        let mut remembered = Remembered::default();
        let key = |number: i64| (VersionId(number), PreviewSize::at_least(1, 1).bounds);
        let large = Bytes::from(vec![0; REMEMBERED_BYTES / 4]);
        for number in 1..=4 {
            remembered.put(key(number), Some(large.clone()));
        }
        assert!(remembered.get(&key(1)).is_some());
        remembered.put(key(5), Some(large.clone()));
        assert!(remembered.get(&key(1)).is_some() && remembered.get(&key(2)).is_none());
        assert_eq!(remembered.bytes, 4 * large.len());
        for number in 10..10 + 2 * MOST_REMEMBERED as i64 {
            remembered.put(key(number), None);
        }
        assert!(remembered.entries.len() <= MOST_REMEMBERED);
    }

    #[test]
    fn few_sizes_serve_every_wish() {
        for ((width, height), expected) in
            [((0, 0), (64, 64)), ((65, 256), (128, 256)), ((u32::MAX, 1000), (1024, 1024))]
        {
            assert_eq!(PreviewSize::at_least(width, height).pixels(), expected);
        }
    }
}
