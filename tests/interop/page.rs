//! The page in Chromium, driven through the steps of a day by `tests/browser/e2e.mjs`.
