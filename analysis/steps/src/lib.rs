//! Steps on one map or profile: masks, fits, filters, spectra, statistics, comparisons.
