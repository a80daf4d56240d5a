//! A series that does not fit into memory: the same bits from scratch files, cancelled and resumed.

mod support;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::Array2;
use stitchbox_stitch::{
    Described, Drift, Options, Placed, Progress, Reference, Refine, Scratch, Source, StitchError, Terms, Weights,
    stitch, stitch_source,
};
use stitchbox_surface::HeightMap;
use support::Plan;

/// A folder of one test, removed with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("stitchbox-scratch-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn options(&self, options: &Options) -> Options {
        Options { scratch: Some(Scratch { folder: self.0.clone(), bytes: 0 }), ..options.clone() }
    }

    fn files(&self) -> Vec<String> {
        let names = std::fs::read_dir(&self.0).unwrap().map(|f| f.unwrap().file_name().to_string_lossy().into_owned());
        names.collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn plans() -> Vec<Plan> {
    let line = Plan { dropouts: 0.02, ..Plan::small(31) };
    let y = (0..12).map(|k| f64::from((k * 5) % 9)).collect();
    let equal: Vec<usize> = (0..9).map(|k| 50 * k).collect();
    vec![line.clone(), Plan { y_px: y, ..line }, Plan::x_scan((20, 200), &equal)]
}

#[test]
fn scratch_files_give_the_bits_of_memory() {
    let folder = Folder::new("bits");
    for plan in plans() {
        let mut series = plan.series();
        // Something for the robust loop to find.
        let (mut heights, valid, pixel) = series[4].sub_aperture.map.clone().into_parts();
        heights[[7, 90]] += 80.0;
        heights[[8, 150]] -= 70.0;
        series[4].sub_aperture.map = HeightMap::new(heights, valid, pixel).unwrap();
        for options in [
            Options::default(),
            Options { robust: false, reference: Reference::None, ..Options::default() },
            Options { terms: Terms { curvature: true, ..Terms::default() }, ..Options::default() },
        ] {
            let expected = stitch(&series, &options, &()).unwrap();
            let in_memory = stitch_source(&series, &options, &()).unwrap();
            assert_eq!(in_memory.digest().unwrap(), expected.digest());
            for threads in [1, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let tiles = pool.install(|| stitch_source(&series, &folder.options(&options), &())).unwrap();
                assert_eq!(tiles.digest().unwrap(), expected.digest());
                assert_eq!(tiles.shape(), expected.height.shape());
                let tile = tiles.rows(3..9).unwrap();
                assert_eq!(tile.height.shape(), (6, expected.height.shape().1));
                for ((row, column), height) in tile.height.heights_nm().indexed_iter() {
                    let at = [row + 3, column];
                    assert_eq!(*height, expected.height.heights_nm()[at]);
                    assert_eq!(tile.overlap[[row, column]], expected.overlap[at]);
                    assert_eq!(tile.residual_nm[[row, column]], expected.residual_nm[at]);
                    let bars = tile.uncertainty_nm.as_ref().zip(expected.uncertainty_nm.as_ref());
                    assert!(bars.is_none_or(|(own, all)| own[[row, column]] == all[at]));
                }
                assert_eq!(tiles.rows(0..usize::MAX).unwrap().height, expected.height);
                assert_eq!(tiles.into_stitched().unwrap(), expected);
                assert_eq!(folder.files(), Vec::<String>::new());
            }
        }
    }
}

/// Ends the stitch when it has been asked so many times in the step.
struct EndsIn {
    step: &'static str,
    after: usize,
    heard: AtomicUsize,
}

impl EndsIn {
    fn new(step: &'static str, after: usize) -> Self {
        Self { step, after, heard: AtomicUsize::new(0) }
    }
}

impl Progress for EndsIn {
    fn at(&self, _fraction: f64, step: &str) {
        if step == self.step {
            self.heard.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn cancelled(&self) -> bool {
        self.heard.load(Ordering::Relaxed) >= self.after
    }
}

#[test]
fn what_was_solved_is_not_solved_again() {
    let folder = Folder::new("resume");
    let series = Plan { dropouts: 0.02, ..Plan::small(32) }.series();
    let options = folder.options(&Options::default());
    let expected = stitch(&series, &Options::default(), &()).unwrap().digest();
    for (step, after) in [("reading the sub-apertures", 2), ("solving", 9), ("looking for outliers", 1)] {
        let ended = stitch_source(&series, &options, &EndsIn::new(step, after));
        assert!(matches!(ended, Err(StitchError::Cancelled)), "{step}");
    }
    assert_eq!(folder.files(), ["solve-0.done"]);
    let listener = EndsIn::new("solving", usize::MAX);
    let resumed = stitch_source(&series, &options, &listener).unwrap();
    assert_eq!(resumed.digest().unwrap(), expected);
    assert!(listener.heard.load(Ordering::Relaxed) < 5, "the first solve was done again");
    drop(resumed);
    assert_eq!(folder.files(), Vec::<String>::new());

    // A checkpoint of other data is not looked at.
    let ended = stitch_source(&series, &options, &EndsIn::new("looking for outliers", 1));
    assert!(ended.is_err());
    let mut other = series;
    let (mut heights, valid, pixel) = other[3].sub_aperture.map.clone().into_parts();
    heights[[5, 5]] = f64::from_bits(heights[[5, 5]].to_bits() ^ 1);
    other[3].sub_aperture.map = HeightMap::new(heights, valid, pixel).unwrap();
    let listener = EndsIn::new("solving", usize::MAX);
    let fresh = stitch_source(&other, &options, &listener).unwrap();
    assert!(listener.heard.load(Ordering::Relaxed) > 9);
    assert_eq!(fresh.digest().unwrap(), stitch(&other, &Options::default(), &()).unwrap().digest());
}

/// A series whose third map cannot be read, or is another than announced.
struct Faulty(Vec<Placed>, bool);

impl Source for Faulty {
    fn len(&self) -> usize {
        Source::len(&self.0)
    }

    fn describe(&self, k: usize) -> Described {
        self.0.describe(k)
    }

    fn read(&self, k: usize) -> Result<(HeightMap, Option<Array2<f32>>), String> {
        match (k, self.1) {
            (2, true) => Err("the disk is gone".into()),
            (2, false) => Ok((HeightMap::from_heights_nm(Array2::zeros((3, 4)), None), None)),
            _ => self.0.read(k),
        }
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let series = Plan::small(33).series();
    for (gone, sentence) in [
        (true, "sub_03.dat could not be read: the disk is gone; mend the file or remove it from the series"),
        (
            false,
            "sub_03.dat could not be read: it has 3 x 4 pixels, 40 x 200 were announced; mend the file or remove it from \
             the series",
        ),
    ] {
        let error = stitch_source(&Faulty(series.clone(), gone), &Options::default(), &()).unwrap_err();
        assert_eq!(error.to_string(), sentence);
    }
    let nowhere =
        Options { scratch: Some(Scratch { folder: "/nonexistent/stitchbox".into(), bytes: 0 }), ..Options::default() };
    let error = stitch_source(&series, &nowhere, &()).unwrap_err();
    assert!(matches!(error, StitchError::Scratch { .. }), "{error}");
}

#[test]
fn what_needs_the_whole_series_at_once_is_refused_and_not_passed_over() {
    let series: Vec<Placed> = Plan::small(3).series();
    for options in [
        Options { refine: Refine::Offsets, ..Options::default() },
        Options { retrace: true, ..Options::default() },
        Options { drift: Drift::Correct, ..Options::default() },
        Options { weights: Weights::Intensity, ..Options::default() },
    ] {
        let refused = stitch_source(&series, &options, &()).map(|_| ()).unwrap_err();
        assert!(matches!(refused, StitchError::NotInMemory { .. }), "{options:?}: {refused}");
    }
}
