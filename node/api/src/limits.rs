//! What a request may ask for at most, as the node enforces it and its clients know it. What the node can take up of all
//! requests is bounded in the node itself.

/// Most items on a page.
pub const MAX_PAGE: u32 = 1000;
/// Items on a page when the request does not say.
pub const DEFAULT_PAGE: u32 = 100;
/// Days for which a copy of retrieved fields is kept when the request does not say.
pub const KEEP_DAYS: u16 = 180;
/// Most days for which such a copy is kept.
pub const MAX_KEEP_DAYS: u16 = 3650;
/// Most days that a question about receipts or look-ups can cover.
pub const MAX_DAYS: u16 = 366;
/// Longest `Idempotency-Key`, bytes.
pub const MAX_IDEMPOTENCY_KEY: usize = 255;
