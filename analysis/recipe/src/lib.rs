//! stitchbox-recipe
