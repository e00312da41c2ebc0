//! How do I test with no network? A gateway server with faults on demand.
