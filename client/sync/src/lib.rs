//! Two-way synchronisation of a local folder with a folder of a space.
