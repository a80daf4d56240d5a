//! Stitching of one-dimensional profiles and of slope maps.
