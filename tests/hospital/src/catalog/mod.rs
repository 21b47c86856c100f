//! The tables of the hospital: what can be diagnosed, measured, given and done here.
//!
//! LOINC, SNOMED CT, ATC and CVX codes are the published ones; where no code was certain there is none. KCD codes follow
//! the Korean classification of diseases. Codes of drugs (`KD`) and of procedures (`EDI`) have the form of the real ones
//! but belong to no product or tariff.

pub(crate) mod disease;
pub(crate) mod drug;
pub(crate) mod lab;
pub(crate) mod service;
