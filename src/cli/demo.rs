//! `postern demo`
