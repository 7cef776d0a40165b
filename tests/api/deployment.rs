//! The deployment files.
