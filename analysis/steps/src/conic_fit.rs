//! Ellipses and hyperbolas as a recipe describes them: distances, angle and pose, each fixed or free.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use stitchbox_surface::quantity::{Angle, Height, Length};

use crate::StepError;
use crate::conic;
use crate::quadric::{Family, Figure, POSE, Pose};
use crate::quadric_fit::{Meaning, Named, Problem};

/// A mirror with two foci: its target values, which are also where a fit starts, and what is fitted.
///
/// The source lies at distance p before the pole of the mirror, the image at distance q behind it (along the beam), both
/// seen from the pole under the grazing angle theta. A negative distance is a virtual point behind the mirror's surface.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Conic {
    /// Distance from the source to the pole. For a hyperbola with both distances positive the longer one is taken as
    /// virtual, which makes the mirror concave.
    pub p: Length,
    /// Distance from the pole to the image.
    pub q: Length,
    /// Grazing angle of the beam at the pole.
    pub theta: Angle,
    /// Position of the pole along x from the centre of the map or profile. Default: 0 mm.
    #[serde(default = "no_length")]
    pub x0: Length,
    /// Position of the pole along y from the centre of the map; only for surfaces of revolution. Default: 0 mm.
    #[serde(default = "no_length")]
    pub y0: Length,
    /// Height of the pole. Default: 0 nm.
    #[serde(default = "no_height")]
    pub piston: Height,
    /// Turn of the whole mirror that makes the height grow with x. Default: 0 urad.
    #[serde(default = "no_angle")]
    pub tilt: Angle,
    /// Turn of the whole mirror that makes the height grow with y. Default: 0 urad.
    #[serde(default = "no_angle")]
    pub roll: Angle,
    /// Turn of the whole mirror about its normal, from x towards y. Default: 0 urad.
    #[serde(default = "no_angle")]
    pub yaw: Angle,
    /// What is fitted; the rest keeps its value. Default: piston, tilt and roll (a profile: piston and tilt).
    #[serde(default)]
    pub free: Option<Vec<ConicTerm>>,
    /// From which end the beam comes. Default: from low x.
    #[serde(default)]
    pub beam: Beam,
}

/// A parameter of [`Conic`] that can be fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ConicTerm {
    /// Distance of the source.
    P,
    /// Distance of the image.
    Q,
    /// Grazing angle.
    Theta,
    /// Place of the pole along x.
    X0,
    /// Place of the pole along y.
    Y0,
    /// Height of the pole.
    Piston,
    /// Turn along x.
    Tilt,
    /// Turn along y.
    Roll,
    /// Turn about the normal.
    Yaw,
}

/// From which end of the map the beam comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Beam {
    /// From low x towards high x.
    #[default]
    FromLowX,
    /// From high x towards low x.
    FromHighX,
    /// Both are tried, and the one that leaves less is taken.
    Either,
}

fn no_length() -> Length {
    Length::new(0.0)
}

fn no_height() -> Height {
    Height::new(0.0)
}

fn no_angle() -> Angle {
    Angle::new(0.0)
}

/// Which of the shapes with two foci is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConicKind {
    Ellipse,
    Hyperbola,
    Ellipsoid,
    Hyperboloid,
}

/// What a fit is made to: heights of a map, heights of a profile, slopes of a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Data {
    Map,
    HeightProfile,
    SlopeProfile,
}

impl ConicKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ellipse => "an ellipse",
            Self::Hyperbola => "a hyperbola",
            Self::Ellipsoid => "an ellipsoid",
            Self::Hyperboloid => "a hyperboloid",
        }
    }

    fn hyperbolic(self) -> bool {
        matches!(self, Self::Hyperbola | Self::Hyperboloid)
    }
}

impl Conic {
    /// Target values with the default pose: a starting point for code.
    #[must_use]
    pub fn new(p: Length, q: Length, theta: Angle) -> Self {
        Self {
            p,
            q,
            theta,
            x0: no_length(),
            y0: no_length(),
            piston: no_height(),
            tilt: no_angle(),
            roll: no_angle(),
            yaw: no_angle(),
            free: None,
            beam: Beam::default(),
        }
    }

    /// The fits to try, each with the direction of the beam it assumes.
    pub(crate) fn problems(&self, step: &'static str, kind: ConicKind, data: Data) -> Result<Vec<Problem>, StepError> {
        let both = [false, true];
        let directions = match self.beam {
            Beam::FromLowX => &both[..1],
            Beam::FromHighX => &both[1..],
            Beam::Either => &both[..],
        };
        directions.iter().map(|reversed| self.problem(step, kind, data, *reversed)).collect()
    }

    fn problem(&self, step: &'static str, kind: ConicKind, data: Data, reversed: bool) -> Result<Problem, StepError> {
        let (mut p, mut q) = (self.p.mm(), self.q.mm());
        let (mut p_means, mut q_means) = (Meaning::Inverse, Meaning::Inverse);
        if kind.hyperbolic() && p > 0.0 && q > 0.0 {
            if p > q {
                (p, p_means) = (-p, Meaning::MinusInverse);
            } else {
                (q, q_means) = (-q, Meaning::MinusInverse);
            }
        }
        let theta = self.theta.urad() * 1e-6;
        conic::check(step, p, q, theta)?;
        if kind.hyperbolic() != (p * q < 0.0) {
            let why =
                "both distances have one sign for an ellipse and two signs (or both are positive) for a hyperbola";
            return Err(StepError::Parameter { step, parameter: "q", value: self.q.to_string(), why });
        }
        let revolution = matches!(kind, ConicKind::Ellipsoid | ConicKind::Hyperboloid);
        let free = self.free_terms(step, revolution, data)?;
        let (first, second) = (named("p", "mm", p_means), named("q", "mm", q_means));
        // Seen from the other end, source and image change places.
        let (u, v) = if reversed { (1.0 / q, 1.0 / p) } else { (1.0 / p, 1.0 / q) };
        let (at_u, at_v) = if reversed { (second, first) } else { (first, second) };
        let map = data == Data::Map;
        let unless = |used: bool, name: Named| if used { name } else { named("", "", Meaning::Same) };
        let names = vec![
            at_u,
            at_v,
            named("theta", "urad", Meaning::Million),
            named("x0", "mm", Meaning::Same),
            unless(revolution, named("y0", "mm", Meaning::Same)),
            unless(data != Data::SlopeProfile, named("piston", "nm", Meaning::Million)),
            named("tilt", "urad", Meaning::Million),
            unless(map, named("roll", "urad", Meaning::Million)),
            unless(map, named("yaw", "urad", Meaning::Million)),
        ];
        debug_assert_eq!(names.len(), 3 + POSE);
        let place = |term: &ConicTerm| match term {
            ConicTerm::P => usize::from(reversed),
            ConicTerm::Q => usize::from(!reversed),
            ConicTerm::Theta => 2,
            ConicTerm::X0 => 3,
            ConicTerm::Y0 => 4,
            ConicTerm::Piston => 5,
            ConicTerm::Tilt => 6,
            ConicTerm::Roll => 7,
            ConicTerm::Yaw => 8,
        };
        let mut free: Vec<usize> = free.iter().map(place).collect();
        free.sort_by_key(|index| (index + 6) % 9);
        free.dedup();
        let pose = Pose {
            x0: self.x0.mm(),
            y0: self.y0.mm(),
            piston: self.piston.nm() * 1e-6,
            tilt: self.tilt.urad() * 1e-6,
            roll: if map { self.roll.urad() * 1e-6 } else { 0.0 },
            yaw: if map { self.yaw.urad() * 1e-6 } else { 0.0 },
        };
        let family = if revolution { Family::Revolution } else { Family::AlongX };
        Ok(Problem { step, shape: kind.name(), figure: Figure::Conic { u, v, theta }, family, pose, free, names })
    }

    /// The free terms, refused where the data cannot tell them apart whatever they are.
    fn free_terms(&self, step: &'static str, revolution: bool, data: Data) -> Result<Vec<ConicTerm>, StepError> {
        use ConicTerm::{P, Piston, Q, Roll, Theta, Tilt, X0, Y0, Yaw};
        let free = match (&self.free, data) {
            (Some(free), _) => free.clone(),
            (None, Data::Map) => vec![Piston, Tilt, Roll],
            (None, Data::HeightProfile) => vec![Piston, Tilt],
            (None, Data::SlopeProfile) => vec![Tilt],
        };
        let has = |terms: &[ConicTerm]| terms.iter().all(|term| free.contains(term));
        let any = |terms: &[ConicTerm]| terms.iter().any(|term| free.contains(term));
        let why = if has(&[P, Q, Theta, X0, Tilt]) {
            "another pole on the same curve, turned, has another p, q and theta: fix one of p, q, theta, x0 and tilt"
        } else if has(&[Y0, Roll, Yaw]) {
            "a surface of revolution looks alike turned about its axis: fix one of y0, roll and yaw"
        } else if !revolution && any(&[Y0]) {
            "a cylinder is the same wherever it lies along y: fix y0"
        } else if data != Data::Map && any(&[Y0, Roll, Yaw]) {
            "a profile tells nothing of what is across it: y0, roll and yaw are fixed"
        } else if data == Data::SlopeProfile && any(&[Piston]) {
            "slopes tell nothing of the height: piston is fixed"
        } else {
            return Ok(free);
        };
        Err(StepError::Parameter { step, parameter: "free", value: format!("{free:?}"), why })
    }
}

const fn named(name: &'static str, unit: &'static str, meaning: Meaning) -> Named {
    Named { name, unit, meaning }
}
