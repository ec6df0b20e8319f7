//! Use a trained context encoder: fill pictures, measure the result.
