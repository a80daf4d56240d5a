//! What older stitching programs compute, so that users can compare a result with their history. Never the default.
