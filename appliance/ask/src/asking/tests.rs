//! Hand-made charts, one question each: what is said, in both languages.

mod absence;
mod events;
mod lists;
mod person;
mod summaries;
mod values;
