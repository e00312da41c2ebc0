//! How does JSON become a value? The one place that knows the back end.
