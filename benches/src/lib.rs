//! The benchmarks of Daybook.
