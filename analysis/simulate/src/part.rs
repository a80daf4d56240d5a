//! A rectangular part of an array. (`ndarray::s!` would say it shorter, but it expands to code that the workspace
//! forbids.)

use std::ops::Range;

use ndarray::{Array2, ArrayView2, Axis, Slice};

/// The given rows and columns of an array.
///
/// # Panics
/// If they reach beyond it: callers take them from its own shape.
pub(crate) fn part<T>(array: &Array2<T>, rows: Range<usize>, columns: Range<usize>) -> ArrayView2<'_, T> {
    let mut view = array.view();
    view.slice_axis_inplace(Axis(0), Slice::from(rows));
    view.slice_axis_inplace(Axis(1), Slice::from(columns));
    view
}
