//! What integration tests and fuzz targets share.

pub mod fuzz;

#[cfg(test)]
mod arrows;
#[cfg(test)]
mod texts;
