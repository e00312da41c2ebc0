//! How many shards, at which url? The one REST call that a gateway client needs.
