//! What do I hold in my hand? `Shard`, and the one crossing of rules and sockets.
