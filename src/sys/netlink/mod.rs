//! Network facts of one network namespace. The only place with tokio.
