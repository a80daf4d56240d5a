//! Which shifts can be believed: those that close triangles, and those that stand out by themselves.

use std::collections::BTreeMap;

use crate::Pair;

/// Shifts round a triangle may miss by this many pixels: fractions of three pixels.
pub(crate) const CLOSES_PX: f64 = 1.0;
/// Peak ratio from which a shift counts at all.
pub(crate) const CLEAR: f64 = 1.4;
/// Peak ratio from which a shift counts that no triangle confirms.
pub(crate) const ALONE: f64 = 2.0;

/// How the triangles that hold a pair judge it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Judged {
    pub agree: usize,
    pub contradict: usize,
    pub accepted: bool,
}

/// Judges every pair by the others.
pub(crate) fn judge(pairs: &[Pair], count: usize) -> Vec<Judged> {
    let mut beside: Vec<BTreeMap<usize, (f64, f64)>> = vec![BTreeMap::new(); count];
    for pair in pairs {
        beside[pair.first].insert(pair.second, (pair.x_px, pair.y_px));
        beside[pair.second].insert(pair.first, (-pair.x_px, -pair.y_px));
    }
    let one = |pair: &Pair| {
        let mut judged = Judged::default();
        for (third, to) in &beside[pair.first] {
            let Some(from) = beside[*third].get(&pair.second) else { continue };
            let miss = (to.0 + from.0 - pair.x_px).abs().max((to.1 + from.1 - pair.y_px).abs());
            if miss <= CLOSES_PX {
                judged.agree += 1;
            } else {
                judged.contradict += 1;
            }
        }
        judged.accepted = judged.agree > 0 || (judged.contradict == 0 && pair.peak_ratio >= ALONE);
        judged
    };
    pairs.iter().map(one).collect()
}

/// The group of every sub-aperture and its place in it, along the pairs accepted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Groups {
    /// Number of the group, in the order of their first members.
    pub of: Vec<usize>,
    /// Place relative to the group's first member, pixels.
    pub places: Vec<(f64, f64)>,
    pub count: usize,
}

impl Groups {
    pub fn along<'a>(pairs: impl Iterator<Item = &'a Pair>, count: usize) -> Self {
        let mut beside = vec![Vec::new(); count];
        for pair in pairs {
            beside[pair.first].push((pair.second, pair.x_px, pair.y_px));
            beside[pair.second].push((pair.first, -pair.x_px, -pair.y_px));
        }
        let mut of = vec![usize::MAX; count];
        let mut places = vec![(0.0, 0.0); count];
        let mut groups = 0;
        for start in 0..count {
            if of[start] != usize::MAX {
                continue;
            }
            of[start] = groups;
            let mut waiting = vec![start];
            while let Some(k) = waiting.pop() {
                for (next, x, y) in &beside[k] {
                    if of[*next] == usize::MAX {
                        of[*next] = groups;
                        places[*next] = (places[k].0 + x, places[k].1 + y);
                        waiting.push(*next);
                    }
                }
            }
            groups += 1;
        }
        Self { of, places, count: groups }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(first: usize, second: usize, x_px: f64, peak_ratio: f64) -> Pair {
        Pair { first, second, x_px, y_px: 0.0, score: 0.8, peak_ratio }
    }

    #[test]
    fn a_wrong_shift_is_found_by_its_triangles() {
        // True places 0, 10, 20, 30; the pair 1-3 is wrong however clear its peak.
        let pairs = [
            pair(0, 1, 10.0, 1.5),
            pair(0, 2, 20.3, 1.5),
            pair(1, 2, 10.0, 1.5),
            pair(1, 3, 55.0, 9.0),
            pair(2, 3, 10.0, 3.0),
            pair(0, 3, 30.2, 1.5),
        ];
        let accepted: Vec<bool> = judge(&pairs, 4).iter().map(|j| j.accepted).collect();
        assert_eq!(accepted, [true, true, true, false, true, true]);
    }

    #[test]
    fn alone_only_a_peak_that_stands_out_by_far_counts() {
        let pairs = [pair(0, 1, 10.0, 1.9), pair(1, 2, 10.0, 2.1)];
        let judged = judge(&pairs, 3);
        assert!(!judged[0].accepted && judged[1].accepted);
    }

    #[test]
    fn groups_are_numbered_by_their_first_members() {
        let groups = Groups::along([pair(0, 3, 5.0, 9.0), pair(2, 3, 1.0, 9.0)].iter(), 4);
        assert_eq!(groups.of, [0, 1, 0, 0]);
        assert_eq!(groups.places[2], (4.0, 0.0));
    }
}
