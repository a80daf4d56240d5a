//! Checkpoints: what a stitch that was ended from outside needs to go on.
//!
//! The stitch repeats all its steps, which give the same bits again, but for the solves: those that were done are read back, and
//! the one that was under way goes on from its last checkpoint.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::StitchError;
use crate::scratch::failed;

/// So much work may be lost.
const EVERY: Duration = Duration::from_secs(20);
/// What a file begins with; another number for another layout.
const MAGIC: u64 = u64::from_le_bytes(*b"stitch\0\x01");

/// The checkpoints of one stitch.
#[derive(Debug)]
pub(crate) struct Journal {
    folder: PathBuf,
    /// Of the problem: checkpoints of another are not looked at.
    fingerprint: u64,
    /// Number of the solve that comes next.
    next: u64,
    every: Duration,
    saved: Instant,
}

/// Numbers of one solve.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Checkpoint {
    /// Whole numbers.
    pub words: Vec<u64>,
    pub vectors: Vec<Vec<f64>>,
}

impl Journal {
    pub fn new(folder: &Path, fingerprint: u64) -> Self {
        Self { folder: folder.to_owned(), fingerprint, next: 0, every: EVERY, saved: Instant::now() }
    }

    /// The same, with a checkpoint after every iteration.
    #[cfg(test)]
    pub fn eager(folder: &Path, fingerprint: u64) -> Self {
        Self { every: Duration::ZERO, ..Self::new(folder, fingerprint) }
    }

    /// Begins a solve: what is known of it if it was done before, and its last checkpoint if it was under way.
    pub fn begin(&mut self) -> (Option<Checkpoint>, Option<Checkpoint>) {
        self.saved = Instant::now();
        let (done, under_way) = (self.read(&self.done()), self.read(&self.under_way()));
        if done.is_some() {
            self.next += 1;
        }
        (done, under_way)
    }

    /// It is time for a checkpoint.
    pub fn is_due(&self) -> bool {
        self.saved.elapsed() >= self.every
    }

    /// Keeps a checkpoint of the solve under way.
    pub fn keep(&mut self, checkpoint: &Checkpoint) -> Result<(), StitchError> {
        self.write(&self.under_way(), checkpoint)?;
        self.saved = Instant::now();
        Ok(())
    }

    /// Keeps the result of the solve, which is done.
    pub fn finish(&mut self, checkpoint: &Checkpoint) -> Result<(), StitchError> {
        self.write(&self.done(), checkpoint)?;
        let _ = std::fs::remove_file(self.under_way());
        self.next += 1;
        Ok(())
    }

    /// Removes all checkpoints: the stitch is done.
    pub fn clear(&self) {
        for solve in 0..=self.next {
            let at = Self { next: solve, folder: self.folder.clone(), ..*self };
            let _ = std::fs::remove_file(at.done());
            let _ = std::fs::remove_file(at.under_way());
        }
    }

    fn done(&self) -> PathBuf {
        self.folder.join(format!("solve-{}.done", self.next))
    }

    fn under_way(&self) -> PathBuf {
        self.folder.join(format!("solve-{}.under-way", self.next))
    }

    /// The file is replaced in one go, so that there is a whole one at any time.
    fn write(&self, path: &Path, checkpoint: &Checkpoint) -> Result<(), StitchError> {
        let mut head = vec![MAGIC, self.fingerprint, checkpoint.words.len() as u64];
        head.extend(&checkpoint.words);
        head.push(checkpoint.vectors.len() as u64);
        let words = || {
            let of = |vector: &'_ Vec<f64>| vector.len() as u64;
            let vectors = checkpoint.vectors.iter();
            let vectors =
                vectors.flat_map(move |v| std::iter::once(of(v)).chain(v.iter().map(|value| value.to_bits())));
            head.iter().copied().chain(vectors)
        };
        let mut hash = Fingerprint::default();
        hash.absorb(words());
        let new = self.folder.join("checkpoint.new");
        // No wait for the disk: that can take seconds, and a file that a power cut left in pieces is known by its hash.
        let written = std::fs::File::create(&new)
            .and_then(|file| {
                let mut file = std::io::BufWriter::with_capacity(1 << 18, file);
                for word in words().chain(std::iter::once(hash.value())) {
                    file.write_all(&word.to_le_bytes())?;
                }
                file.flush()
            })
            .and_then(|()| std::fs::rename(&new, path));
        written.map_err(|e| failed(path, &e))
    }

    /// The checkpoint, if the file is whole and of this problem.
    fn read(&self, path: &Path) -> Option<Checkpoint> {
        let bytes = std::fs::read(path).ok()?;
        let words: Vec<u64> = bytes.as_chunks::<8>().0.iter().map(|b| u64::from_le_bytes(*b)).collect();
        let (last, words) = words.split_last()?;
        let mut hash = Fingerprint::default();
        hash.absorb(words.iter().copied());
        if hash.value() != *last || words.get(..2)? != [MAGIC, self.fingerprint] {
            return None;
        }
        let mut rest = &words[2..];
        let mut take = |count: usize| -> Option<&[u64]> {
            let (taken, after) = rest.split_at_checked(count)?;
            rest = after;
            Some(taken)
        };
        let count = *take(1)?.first()? as usize;
        let own = take(count)?.to_vec();
        let count = *take(1)?.first()?;
        let mut vectors = Vec::new();
        for _ in 0..count {
            let length = *take(1)?.first()? as usize;
            vectors.push(take(length)?.iter().map(|word| f64::from_bits(*word)).collect());
        }
        Some(Checkpoint { words: own, vectors })
    }
}

/// A number that tells problems apart: changed by any bit of what it absorbed. Against chance, not against an enemy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fingerprint([u64; 4]);

impl Default for Fingerprint {
    fn default() -> Self {
        Self([0x9e37_79b9_7f4a_7c15, 0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb, 0xd6e8_feb8_6659_fd93])
    }
}

impl Fingerprint {
    pub fn absorb(&mut self, words: impl Iterator<Item = u64>) {
        for (i, word) in words.enumerate() {
            let lane = &mut self.0[i % 4];
            *lane = (*lane ^ word).wrapping_mul(0x2545_f491_4f6c_dd1d).rotate_left(29);
        }
    }

    pub fn text(&mut self, text: &str) {
        self.absorb(text.bytes().map(u64::from).chain(std::iter::once(text.len() as u64)));
    }

    pub fn value(&self) -> u64 {
        let mix = |sum: u64, lane: &u64| (sum ^ lane).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31);
        self.0.iter().fold(0, mix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_checkpoints_of_the_same_problem_are_read() {
        let folder = std::env::temp_dir().join(format!("stitchbox-journal-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let checkpoint =
            Checkpoint { words: vec![3, 1], vectors: vec![vec![1.5, -0.0, f64::MIN_POSITIVE], Vec::new()] };
        let mut journal = Journal::new(&folder, 7);
        assert_eq!(journal.begin(), (None, None));
        journal.keep(&checkpoint).unwrap();
        assert_eq!(Journal::new(&folder, 7).begin(), (None, Some(checkpoint.clone())));
        assert_eq!(Journal::new(&folder, 8).begin(), (None, None));
        journal.finish(&checkpoint).unwrap();
        assert_eq!(Journal::new(&folder, 7).begin(), (Some(checkpoint), None));
        let path = folder.join("solve-0.done");
        let whole = std::fs::read(&path).unwrap();
        for cut in [whole.len() - 8, whole.len() - 1, 24, 0] {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(Journal::new(&folder, 7).begin(), (None, None));
        }
        let mut damaged = whole.clone();
        damaged[40] ^= 1;
        std::fs::write(&path, &damaged).unwrap();
        assert_eq!(Journal::new(&folder, 7).begin(), (None, None));
        journal.clear();
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        std::fs::remove_dir(&folder).unwrap();
    }

    #[test]
    fn one_bit_changes_the_fingerprint() {
        let of = |words: &[u64]| {
            let mut fingerprint = Fingerprint::default();
            fingerprint.absorb(words.iter().copied());
            fingerprint.value()
        };
        let words = [1u64, 2, 3, 4, 5, 6, 7];
        for i in 0..words.len() {
            for bit in 0..64 {
                let mut other = words;
                other[i] ^= 1 << bit;
                assert_ne!(of(&other), of(&words));
            }
        }
    }
}
