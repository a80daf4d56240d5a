//! Spheres and circular cylinders, exact: not the parabola that resembles them near the pole.

use crate::quadric::{Family, Figure, Pose};
use crate::quadric_fit::{Meaning, Named, Problem};

const fn named(name: &'static str, unit: &'static str, meaning: Meaning) -> Named {
    Named { name, unit, meaning }
}

/// A circle with free curvature, piston and tilts; the pole lies at the centre of the map.
pub(crate) fn problem(shape: &'static str, family: Family, profile: bool, heights: bool) -> Problem {
    let unused = named("", "", Meaning::Same);
    let names = vec![
        named("curvature", "1/m", Meaning::Thousand),
        unused,
        unused,
        if heights { named("piston", "nm", Meaning::Million) } else { unused },
        named(if profile { "tilt" } else { "tilt-x" }, "urad", Meaning::Million),
        if profile { unused } else { named("tilt-y", "urad", Meaning::Million) },
        unused,
    ];
    let mut free = Vec::new();
    if heights {
        free.push(3);
    }
    free.push(4);
    if !profile {
        free.push(5);
    }
    free.push(0);
    let (figure, pose) = (Figure::Circle { curvature: 0.0 }, Pose::default());
    Problem { step: "remove", shape, figure, family, pose, free, names }
}
