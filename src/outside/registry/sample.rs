//! A layer for tests.

use std::num::NonZeroUsize;

use crate::layer::deflate::Recipe;
use crate::layer::zip_write::{collector_layer, write_zip};

/// A small layer zip that differs with `binary`.
pub(crate) fn layer_zip(binary: &[u8]) -> Vec<u8> {
    write_zip(&collector_layer(binary, b"receivers:\n"), Recipe::CURRENT, NonZeroUsize::MIN).unwrap()
}
