//! The library's face.
