//! What `wharf demo` shows Wharf with, and what the integration tests run it against: S3 stores inside the process and
//! one web page. Neither needs an account, an installed server or a network.
//!
//! This is a crate of its own because the stores are heavy to compile and change rarely. It knows nothing of the
//! gateway: a store is told its keys, the page is told where the gateway is.
//!
//! ```no_run
//! use wharf_demo::{Store, StoreOptions};
//!
//! # async fn example() -> Result<(), wharf_demo::StoreError> {
//! let store = Store::start(StoreOptions {
//!     address: ([127, 0, 0, 1], 0).into(),
//!     directory: None,
//!     access_key: "AKIADEMO".to_owned(),
//!     secret_key: "only for this process".into(),
//! })
//! .await?;
//! store.create_bucket("photos").await?;
//! println!("S3 is at {}", store.endpoint());
//! store.stop().await;
//! # Ok(())
//! # }
//! ```

mod cors;
mod listener;
mod page;
mod parts;
mod store;
mod stores;

pub use page::{Page, PageError, PageSettings};
pub use store::{Store, StoreError, StoreOptions};
pub use stores::{StoreAccess, StoreState, Stores};
