//! Hand-made charts, one question each: what is said, in both languages.

mod absence;
mod events;
mod lists;
mod names;
mod person;
mod summaries;
mod values;
